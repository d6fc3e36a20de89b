"""`recog bench augment`: does synthesis help somebody who has K photos of each of N people?

To add a recipe, write it into a plan (TOML) or into `plan.usual`; a way of making faces goes into `makers`.
"""
