"""Decodes image files to uint8 arrays, in threads and in several processes.

`image_file` decodes, rotates by EXIF and resizes one file, and reads headers; `image_split` makes a
split of files, `boxed_split` a split of faces that are cut out of them; `unreadable_file` is the
error for a file that cannot be read; `process_pool` shares the files of a batch among decoding
processes; `worker_handle` is the parent's handle of one decoding process, `worker_main` is the
program in that process; `usable_cores` counts the cores that this process may use.
"""
