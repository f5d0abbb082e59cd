"""What can be wrong with a user's files, in one line that says what to do and is printed alone."""


class CheckpointError(Exception):
    """A model folder, hub id, config, vocabulary or weight file that cannot be used."""


class NotHereError(CheckpointError):
    """A hub id whose files are not on this machine, where none may be fetched."""


class ImageError(Exception):
    """An image file that cannot be read as a picture of reasonable size."""


class TrainingDataError(Exception):
    """Conversations, or options of a training run, that cannot be used."""
