"""A spec in, a stored result out."""
