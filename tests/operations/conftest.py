from hypothesis import settings

# A busy machine must not turn a slow example into a failure.
settings.register_profile("outlast", deadline=None, print_blob=True)
settings.load_profile("outlast")
