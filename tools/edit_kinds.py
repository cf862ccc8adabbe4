"""Write the types of edits that the page of the explorer knows, from the one table of edits: web/src/kinds.ts."""

from pathlib import Path

from edgewise.interpret.edits import EDITS

KINDS = Path(__file__).parents[1] / "web" / "src" / "kinds.ts"
OF_FIELDS = {"edge": "Edge", "points": "[number, number][]", "range": "[number, number]"}
NUMBERS = ("node", "inputs", "constants", "arities")
SINGLE = ("width", "value", "layer", "seed", "refit")


def type_of(field: str) -> str:
    """Return the TypeScript type of a field of an edit."""
    if field in OF_FIELDS:
        return OF_FIELDS[field]
    if field == "where":
        return "Edge[]"
    return "number[]" if field in NUMBERS else "number" if field in SINGLE else "string"


def kinds() -> str:
    """Return the module with a type for each kind of edit."""
    lines = [
        "// Made by tools/edit_kinds.py from the table of edits in interpret/edits.py.",
        'import type { Edge } from "./network";',
    ]
    lines += ["", "export type EditFields ="]
    for name, (needed, optional, _) in EDITS.items():
        fields = {field: f"{field}: {type_of(field)}" for field in needed}
        others = [field for field in (*optional, "refit", "train") if field not in fields]
        fields |= {field: f"{field}?: {type_of(field)}" for field in others}
        lines.append(f'  | {{ kind: "{name}"; {"; ".join(fields.values())} }}')
    lines[-1] += ";"
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    KINDS.write_text(kinds(), encoding="utf-8")
