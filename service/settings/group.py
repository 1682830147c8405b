"""The base class of every group in the catalogue of settings."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """The settings under one heading."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)
