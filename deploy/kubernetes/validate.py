"""Hold manifests strictly to the schemas of Kubernetes and of the Dask operator: `python validate.py plain fetch.yaml`

An unknown field is an error; a folder is rendered by `kubectl kustomize`. Uses no cluster.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    import dask_kubernetes
    import jsonschema
    import kubernetes_validate
    import yaml
except ImportError as lacking:
    sys.exit(f"validate.py: {lacking}; pip install kubernetes-validate dask-kubernetes jsonschema")

CRDS = Path(dask_kubernetes.__file__).parent / "operator/deployment/helm/dask-kubernetes-operator/crds"
FREE = "x-kubernetes-preserve-unknown-fields"


def closed(schema: Any) -> Any:
    """The schema, with unknown fields refused; the API server would drop them without a word."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and not schema.get(FREE):
        found["additionalProperties"] = False
    if found.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    return found


def schema_of(kind: str) -> Any:
    """What the operator's CRD says of a kind."""
    definition = yaml.safe_load((CRDS / f"{kind.lower()}.yaml").read_text())
    schema = closed(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    for name, each in (("apiVersion", {}), ("kind", {}), ("metadata", {})):
        schema["properties"][name] = each
    return schema


def documents(path: Path) -> list[Any]:
    """The manifests of a file, or of a folder as kustomize renders it."""
    if path.is_dir():
        text = subprocess.run(["kubectl", "kustomize", str(path)], check=True, capture_output=True, text=True).stdout
    else:
        text = path.read_text()
    return [each for each in yaml.safe_load_all(text) if each]


def check(document: Any) -> None:
    """Raise where a manifest is not as its schema has it."""
    if document["apiVersion"].startswith("kubernetes.dask.org/"):
        jsonschema.Draft202012Validator(schema_of(document["kind"])).validate(document)
    else:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def main() -> int:
    """0 if all are valid."""
    wrong = 0
    for path in map(Path, sys.argv[1:]):
        for document in documents(path):
            name = f"{path}: {document['kind']} {document['metadata']['name']}"
            try:
                check(document)
            except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
                place = "/".join(map(str, error.path))
                print(f"{name}: {place}: {error.message[:300]}")
                wrong += 1
            else:
                print(f"{name}: valid")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
