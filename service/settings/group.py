"""What every part of the catalogue of settings is."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Settings that stand under one heading."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)
