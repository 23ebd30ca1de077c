"""Terraform with the AWS provider, offline, against a region."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Where a machine without network keeps the provider.
MIRRORS = [os.environ.get("LANDFALL_TF_PLUGINS", ""), "/opt/tf-plugins", "/usr/share/terraform/plugins"]
PROVIDER = "registry.terraform.io/hashicorp/aws"


class Terraform:
    """One stack in a folder; skips the test where Terraform or its provider are not on this machine."""

    def __init__(self, folder, region, stack, **variables):
        self.binary = shutil.which("terraform")
        mirror = next((it for it in MIRRORS if it and (Path(it) / PROVIDER).is_dir()), None)
        if not self.binary or not mirror:
            pytest.skip("terraform and its AWS provider are not on this machine")
        (folder / "main.tf").write_text(stack)
        (folder / "rc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n')
        given = {f"TF_VAR_{key}": value for key, value in variables.items()}
        self.folder = folder
        self.environment = {**os.environ, **region.environment, **given, "TF_IN_AUTOMATION": "1",
                            "TF_CLI_CONFIG_FILE": str(folder / "rc"), "CHECKPOINT_DISABLE": "1"}
        self("init")

    def __call__(self, *words, check=True):
        done = subprocess.run(
            [self.binary, *words, "-no-color", "-input=false"], cwd=self.folder, timeout=1_200,
            capture_output=True, text=True, env=self.environment)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def apply(self):
        """Applies the stack; a plan finds no difference then."""
        self("apply", "-auto-approve")
        plan = self("plan", "-detailed-exitcode", check=False)
        assert plan.returncode == 0, plan.stdout + plan.stderr

    def destroy(self):
        self("destroy", "-auto-approve")
