"""Names of a package that are imported when they are first used, so that a program loads only what it needs."""

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec


def import_on_demand(package: str) -> None:
    """Import the names in the block `if TYPE_CHECKING:` of a package one by one, each when it is first used.

    The block is the one list of names and their modules: type checkers and editors follow its imports, and a program
    reads it as a table when it asks for the first name. Submodules are attributes too.
    """
    module = sys.modules[package]

    @cache
    def places() -> dict[str, str]:
        return _imports_in_block(package)

    def load(name: str) -> object:
        is_private = name.startswith("_")
        place = None if is_private else places().get(name)
        if place is not None and place != package:
            value = getattr(import_module(place), name)
        elif place == package or (not is_private and find_spec(f"{package}.{name}")):
            value = import_module(f"{package}.{name}")
        else:
            message = f"module {package!r} has no attribute {name!r}"
            similar = [] if is_private else _similar(name, places())
            if similar:
                message += f"; did you mean {similar[0]!r}?"
            raise AttributeError(message)
        setattr(module, name, value)  # from now on a plain attribute
        return value

    def names() -> list[str]:
        return sorted({*places(), *(name for name in vars(module) if name.startswith("__"))})

    vars(module).update(__getattr__=load, __dir__=names)


def _imports_in_block(package: str) -> dict[str, str]:
    """Return the module of each name that the block `if TYPE_CHECKING:` of a package imports."""
    import ast  # these two are slower to import than all else here, and `import edgewise` alone needs neither
    import inspect

    blocks = [node for node in ast.parse(inspect.getsource(sys.modules[package])).body if isinstance(node, ast.If)]
    imports = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    return {alias.name: str(line.module) for line in imports for alias in line.names}


def _similar(name: str, names: dict[str, str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, names, n=1)
