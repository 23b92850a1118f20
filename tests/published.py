"""The published schemas, with the references between them."""

import json
from pathlib import Path

import jsonschema
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parents[1] / "schemas"


def validator(name):
    """A validator of schemas/<name>.schema.json."""
    found = [json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.schema.json"))]
    registry = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in found])
    (schema,) = [s for s in found if s["$id"].endswith(f"/{name}.schema.json")]
    return jsonschema.Draft202012Validator(schema, registry=registry)
