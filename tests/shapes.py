"""The checker of annotated shapes: beartype, with an int where a float will do."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
