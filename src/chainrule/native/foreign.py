"""What the compiler does not take."""


class Foreign(Exception):
    """What has no native form, and runs on NumPy: nobody sees it."""
