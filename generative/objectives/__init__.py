"""What each network is trained for: objectives that the loop calls without knowing which.

A GAN's step has two phases (discriminator, generator), the others' one.
"""
