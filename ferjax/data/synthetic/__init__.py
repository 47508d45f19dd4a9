"""The built-in data set `synthetic`: human faces that are drawn, each with a known emotion.

`load_synthetic` makes the splits; `face_parameters` samples identity, hair style, colours, pose and
light; `action_units` turns an emotion into movements of the face (FACS); `draw_head_hair_light`
draws background, shoulders, head, ears, beard, hair, cap and light;
`draw_facial_features_and_wrinkles` draws eyes, eyebrows, nose, mouth, cheeks, skin folds and
glasses; `antialiased_shapes` has the drawing primitives.
"""
