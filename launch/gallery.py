"""Index over runs as one page: python -m launch.gallery [--out=gallery.html] RUNS_OR_FOLDERS."""

from ferjax.config.gallery_config import GalleryConfig
from launch.command.app import run
from launch.command.flags import define_flags, given_flags

define_flags(GalleryConfig)


def main(arguments: list[str]) -> None:
    """Writes the page; prints which runs have no numbers, and the path of the page."""
    from ferjax.tools.gallery.write_gallery import run_gallery

    for line in run_gallery(GalleryConfig(**given_flags(GalleryConfig)), arguments):
        print(line)


if __name__ == "__main__":
    run(main)
