"""The main job on the sample archive, step by step, through the command line itself.

Every step prints the command as a person would type it and what came out; figures are read from the
commands' own JSON. Naming people is the one thing a person does by eye: `tui.demo_eye` stands in for it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import BadValue, KyodakuError
from tui import demo_eye

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
COMPOSITE = "travellers"
TRAINING = "people"
QUERY = "faces:>=1 (country:LA or country:TH or country:CH)"  # 26 people: all 35 would take the demo over ten minutes
PICTURES = 64


class StepFailed(KyodakuError):
    """A command of the demo ended with a status that its step does not expect."""


class Demo:
    """Runs commands on one catalog and tells of them. `folder` receives everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = folder / "catalog"
        self.photos = folder / "photos"
        self.started = time.monotonic()
        self.summary: dict[str, Any] = {}

    def step(self, title: str) -> None:
        """Head a step."""
        print(f"\n── {title} " + "─" * max(0, 96 - len(title)), flush=True)

    def run(self, *arguments: str, expect: Sequence[int] = (0,), show: str | None = None) -> Any:
        """Run `kyodaku ARGUMENTS --json`; its document. Raises StepFailed on any status but those expected."""
        shown = show or " ".join(f"'{word}'" if set(word) & set(" *{") else word for word in arguments)
        print(f"$ kyodaku {shown.replace(str(self.folder) + '/', '')}", flush=True)
        command = [sys.executable, "-P", "-m", "tui.cli", "-C", str(self.catalog), *arguments, "--json"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if ran.returncode not in expect:
            raise StepFailed(f"kyodaku {shown} ended with status {ran.returncode}", "what it said stands above")
        return json.loads(ran.stdout) if ran.stdout else None

    def say(self, line: str) -> None:
        """What came out, under its command."""
        print(f"  {line}", flush=True)


def run(folder: Path) -> int:
    """Run the demo in `folder`, which must be new or empty. Gives the exit status."""
    if not SAMPLE.is_dir():
        raise BadValue("the sample archive is not installed", "run ./dev demo in a clone of the repository")
    if folder.exists() and any(folder.iterdir()):
        raise BadValue(f"{folder} is not empty", f"remove it (rm -r {folder}), or name another: ./dev demo OTHER")
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder.resolve())
    for part in (archive, people, consent, cohort, train, merge, look, audit, withdraw, close):
        part(demo)
    return 0


def archive(demo: Demo) -> None:
    """Copy the sample archive, index it, index it again."""
    demo.step("1. The archive: index photographs in place, nothing is written to them")
    subprocess.run([sys.executable, "-P", SAMPLE / "scripts" / "archive" / "copy.py", demo.folder], check=True)
    demo.run("init", str(demo.catalog))
    first = demo.run("index", str(demo.photos))
    demo.say(f"{first['new']} photographs in {first['seconds']:.1f} s; {first['errors']} can't be used:")
    for broken in demo.run("find", "error:*"):
        demo.say(f"  {Path(broken['path']).name}: {broken['error']}")
    again = demo.run("index", str(demo.photos))
    demo.say(f"second run: {again['new']} new, {again['unchanged']} unchanged, {again['seconds']:.1f} s")


def people(demo: Demo) -> None:
    """Find faces, cluster them, name the clusters."""
    demo.step("2. The people: find faces, group them, name them")
    found = demo.run("faces")
    demo.say(f"{found['faces']} faces in {found['photos']} photographs, {found['seconds']:.0f} s ({found['embedder']})")
    grouped = demo.run("people", "cluster")
    demo.run("subject", "import", str(SAMPLE / "people.csv"), "--by", "the photographer", "--dry-run")
    imported = demo.run("subject", "import", str(SAMPLE / "people.csv"), "--by", "the photographer")
    demo.say(f"{imported['subjects']} people on record, {imported['events']} consent events in the ledger")
    named = demo_eye.name_clusters(demo.catalog, demo.folder, SAMPLE / "truth.csv")
    demo.say(f"{grouped['clusters']} clusters; pairwise F1 {named.f1:.3f} against sample_data/truth.csv")
    demo.say("a person would now look at each cluster and type  kyodaku people name CLUSTER NAME;  here truth.csv")
    demo.say(f"stands in for the eye: {named.named} clusters named, {named.corrected} single faces assigned")
    demo.summary["people"] = {"faces": found["faces"], "clusters": grouped["clusters"], "f1": named.f1}


def consent(demo: Demo) -> None:
    """Show where people stand, and what the ledger says."""
    demo.step("3. Consent: who allows what; nobody is taken to have said yes")
    for status in ("granted", "refused", "withdrawn", "expired", "unknown", "age-unsettled", "minor"):
        count = demo.run("find", f"train-composite:{status}", "--count")["count"]
        demo.say(f"{count} photographs are {status} for train-composite")
    checked = demo.run("ledger", "verify")
    demo.say(f"ledger: {checked['events']} events, sound: {checked['ok']}, head {checked['head'][:16]}…")


def cohort(demo: Demo) -> None:
    """Choose and freeze the cohort."""
    demo.step("4. The cohort: consenting adults alone, frozen under a Merkle root")
    rules = ("--purpose", "train-composite", "--per-subject", "12", "--group", "crop")
    demo.run("cohort", "create", COMPOSITE, "--query", QUERY, *rules)
    told = demo.run("cohort", "explain", COMPOSITE)
    demo.say(f"{len(told['included'])} photographs of {len(told['subjects'])} people; left out, by reason:")
    reasons = [exclusion["reason"] for exclusion in told["excluded"]]
    for reason in sorted(set(reasons), key=lambda each: (-reasons.count(each), each)):
        demo.say(f"  {reasons.count(reason):4d}  {reason}")
    frozen = demo.run("cohort", "freeze", COMPOSITE)
    demo.say(f"frozen: {frozen['photos']} photographs, root {frozen['merkle_root'][:16]}…")


def train(demo: Demo) -> None:
    """One small LoRA a person."""
    demo.step("5. Training: one small LoRA a person, in a job that outlives the terminal")
    started = time.monotonic()
    made = demo.run(
        "train", COMPOSITE, "--base", str(SAMPLE / "base"), "--name", TRAINING, "--recipe", str(SAMPLE / "recipe.toml")
    )
    seconds = time.monotonic() - started
    demo.say(f"{len(made['models'])} LoRAs in {seconds:.0f} s; each leaves a contact sheet of its own")
    demo.summary["training"] = {"loras": made["models"], "seconds": round(seconds, 1)}


def personal(demo: Demo) -> tuple[str, str]:
    """A LoRA whose person allows pictures of themselves alone, and that person. Others are ingredients only."""
    if "personal" not in demo.summary:
        for lora in demo.summary["training"]["loras"]:
            [person] = demo.run("models", "show", lora)["shares"]
            if demo.run("consent", "show", person)["status"]["train-individual"] == "granted":
                demo.summary["personal"] = (lora, person)
                break
            demo.say(f"{person} allows the composite, and no model of them alone: this LoRA draws nothing")
    lora, person = demo.summary["personal"]
    return lora, person


def merge(demo: Demo) -> None:
    """The exact mean, a truncated one, and the mean baked into the base."""
    demo.step("6. Averaging: the mean of the deltas, exact and truncated, and baked into the base")
    loras = demo.summary["training"]["loras"]
    demo.run("merge", "average", f"{TRAINING}.*", "-o", "composite")
    small = demo.run("merge", "average", f"{TRAINING}.*", "-o", "composite-rank16", "--rank", "16")
    demo.say(f"exact mean of {len(loras)} LoRAs; at rank 16 {small['energy_kept']:.2%} of its energy is kept")
    demo.run("merge", "bake", "composite", "--base", str(SAMPLE / "base"), "-o", "composite-baked")
    shown = demo.run("models", "show", "composite")
    shares = sorted(shown["shares"].values())
    demo.say(f"each of {len(shares)} people has {shares[0]:.1%} to {shares[-1]:.1%} of it")


def look(demo: Demo) -> None:
    """Contact sheets of the base, one person's LoRA, and the composite."""
    demo.step("7. Pictures: contact sheets")
    lora, person = personal(demo)
    demo.say(f"{lora} is of {person}, who allowed that")
    for model in (str(SAMPLE / "base"), lora, "composite", "composite-baked"):
        name = Path(model).name
        out = demo.folder / "pictures" / name
        drawn = demo.run("generate", model, "--prompt", "photo of {trigger} person", "-n", "16", "-o", str(out))
        demo.say(f"{len(drawn['images'])} pictures, {drawn['sheet']}")
    refused = demo.run("generate", "composite", "--prompt", "photo of a teenager", "-o", "refused", expect=(1,))
    demo.say("a prompt for a minor is refused: see the line above" if refused is None else "NOT REFUSED")


def audit(demo: Demo) -> None:
    """A personal LoRA should come nearer its person than the base does; the composite should be nobody."""
    demo.step("8. The audit: does what they draw look like anyone in the catalog?")
    lora, person = personal(demo)
    alone = _audited(demo, lora)
    likeness = alone["likeness"]
    if likeness is not None and likeness["base"] is not None:
        own, base = likeness["model"], likeness["base"]
        demo.say(f"mean distance to {person}: {own['mean']:.3f} ± {own['sd']:.3f} by their own LoRA,")
        demo.say(f"  {base['mean']:.3f} ± {base['sd']:.3f} by the base, {own['mean'] - base['mean']:+.3f} from it;")
        demo.say(f"  median rank of the person among {likeness['people']}: {likeness['median_rank']:g}")
        demo.say(f"  (by the base {likeness['base_median_rank']:g})")
    _audited(demo, "composite")


def _audited(demo: Demo, model: str) -> Any:
    """Audit a model, say what came out, and keep its sheet with the pictures."""
    report = demo.run("audit", model, "-n", str(PICTURES), expect=(0, 1))
    named = f" {', '.join(report['resembles'][:5])}" if report["resembles"] else ""
    demo.say(f"{model}: {report['verdict']}{named}")
    for reason in report["why"]:
        demo.say(f"  {reason}")
    known, fit = report["calibration"], report["fit"]
    demo.say(
        f"  of {known['searches']} searches with people's own faces {known['matches']} take a stranger for somebody;"
    )
    demo.say(f"  by that measure {report['matches']} of {report['faces']} faces in {report['images']} pictures match,")
    demo.say(
        f"  {report['needed']} would be too many for chance; in photographs made as small and dull as these pictures"
    )
    demo.say(
        f"  {fit['recognised']} of {fit['tried']} people are known, so one person in {report['least_share'] or 1:.0%}"
    )
    demo.say(
        f"  of the faces would have been found; {len(report['memorised'])} pictures are copies of training pictures"
    )
    if report["pull"] is not None:
        pull = report["pull"]
        demo.say(f"  from the base, faces went {pull['way']:.0%} of the way to {pull['subject']}; honest averages go")
        demo.say(f"  {pull['limit']:.0%} to somebody")
    if report["shift"] is not None:
        shift = report["shift"]
        demo.say("  a face lies nearer to somebody in the model than to somebody else with probability")
        demo.say(f"  {shift['members_nearer']:.2f}; for the base's faces it is {shift['base_members_nearer']:.2f}")
    shutil.copytree(report["folder"], demo.folder / "audits" / model)
    demo.summary.setdefault("audits", {})[model] = report
    return report


def withdraw(demo: Demo) -> None:
    """One person takes their consent back; the composite is made again and compared byte for byte."""
    demo.step("9. Withdrawal: out of the averaged model in seconds, exactly")
    loras = demo.summary["training"]["loras"]
    leaving = loras[-1]
    [person] = demo.run("models", "show", leaving)["shares"]
    demo.say("what it would be like had the person never been asked: the mean of all the others, from the start")
    demo.run("merge", "average", *loras[:-1], "-o", "never-included", show=f"merge average ({len(loras) - 1} LoRAs)")
    planned = demo.run("consent", "withdraw", person, "--by", "the photographer", "--dry-run")
    demo.say(f"it would reach {len(planned['photos'])} photographs, {planned['cohorts']} and {planned['models']}")
    done = demo.run("consent", "withdraw", person, "--by", "the photographer")
    demo.say(f"{person} is out in {done['seconds']:.2f} s; remade: {', '.join(done['remade'])}")
    demo.say(f"quarantined, because they can't be had without the person: {', '.join(done['quarantined'])}")
    models = {model["name"]: model["content_hash"] for model in demo.run("models", "list")}
    same = models["composite"] == models["never-included"]
    demo.say(f"composite       {models['composite']}")
    demo.say(f"never included  {models['never-included']}   {'the same, byte for byte' if same else 'THEY DIFFER'}")
    seconds = demo.summary["training"]["seconds"]
    retrain = seconds * (len(loras) - 1) / len(loras)
    demo.say(f"{done['seconds']:.2f} s, beside {retrain:.0f} s to train the other {len(loras) - 1} again")
    demo.run("generate", leaving, "--prompt", "photo of a person", "-o", str(demo.folder / "refused"), expect=(1,))
    demo.summary["withdrawal"] = {"seconds": done["seconds"], "retrain_seconds": round(retrain, 1), "same_bytes": same}


def close(demo: Demo) -> None:
    """Check the catalog, write receipts, and say what lies where."""
    demo.step("10. What was made")
    receipts = demo.folder / "receipts"
    receipts.mkdir()
    for subject in demo.run("subject", "list")[:3]:
        demo.run("consent", "receipt", str(subject["id"]), "-o", str(receipts / f"{subject['uid'][:8]}.pdf"))
    sound = demo.run("doctor")
    demo.say(f"doctor: {sum(finding['ok'] for finding in sound)} of {len(sound)} findings are well")
    demo.summary["seconds"] = round(time.monotonic() - demo.started, 1)
    (demo.folder / "summary.json").write_text(json.dumps(demo.summary, indent=2, ensure_ascii=False), encoding="utf-8")
    for name in ("pictures", "audits", "receipts", "summary.json"):
        demo.say(f"{demo.folder / name}")
    demo.say(f"open the catalog in the app:  ./dev run -C {demo.catalog}")
    demo.say(f"{demo.summary['seconds']:.0f} s in all")
