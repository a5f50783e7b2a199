"""captions: what a cohort's pictures are called when they train, in bulk, by hand and by file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.counted import counted
from core.errors import BadValue
from storage.catalog import Catalog
from storage.safe_text import display
from tui.output import AsJson, Progress, emit, table
from tui.place import opened

if TYPE_CHECKING:  # what these load, no other command needs to wait for
    from core.captioning.change import Changed
    from core.training.captions import Called
    from core.training.recipe import Recipe

Cohort = Annotated[str, typer.Argument(help="A cohort.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe, whose template or captions count.")]
Template = Annotated[str | None, typer.Option("--caption", help="A template: {trigger}, {place}, {year}, {framing}.")]
Holding = Annotated[str | None, typer.Option(help="Only pictures whose caption holds this tag.")]
Only = Annotated[list[str] | None, typer.Option("--picture", help="Only this picture, PHOTO.SUBJECT; repeatable.")]
OfSubject = Annotated[str | None, typer.Option("--subject", help="Only pictures of this person, by id or name.")]
Word = Annotated[
    str | None, typer.Option("--trigger", help="The word that stands in text files for the person; default: their own.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do, change nothing.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="What pictures are called when they train: shown, counted, changed, and by file.")
    group.command()(show)
    group.command()(tags)
    group.command()(edit)
    group.command("export")(export_captions)
    group.command("import")(import_captions)
    group.command()(propose)
    group.command()(accept)
    app.add_typer(group, name="captions")


def show(
    context: typer.Context,
    cohort: Cohort,
    recipe: RecipeFile = None,
    caption: Template = None,
    holding: Holding = None,
    only: Only = None,
    subject: OfSubject = None,
    as_json: AsJson = False,
) -> None:
    """What training would call each picture of a cohort. A star: its own caption, not the recipe's template."""
    with opened(context) as catalog:
        called = _called(catalog, cohort, recipe, caption, holding, only, subject)
    rows = [_row(one) for one in called]
    lines = table([(row["picture"], "*" * row["own"], row["caption"], row["path"]) for row in rows],
                  ("picture", "", "caption", "photograph"))  # fmt: skip
    emit(rows, lines, as_json=as_json)


def tags(
    context: typer.Context,
    cohort: Cohort,
    recipe: RecipeFile = None,
    caption: Template = None,
    as_json: AsJson = False,
) -> None:
    """Count what stands between the commas of a cohort's captions, the most frequent first."""
    from core.training import captions

    with opened(context) as catalog:
        called = _called(catalog, cohort, recipe, caption)
    counted = captions.frequencies([one.caption for one in called])
    emit(counted, table([(count, tag) for tag, count in counted.items()], ("pictures", "tag")), as_json=as_json)


def edit(
    context: typer.Context,
    cohort: Cohort,
    text: Annotated[
        str | None, typer.Option("--set", help="Call the pictures this; {place} and the like count.")
    ] = None,
    replace: Annotated[
        tuple[str, str] | None,
        typer.Option(help="A text in captions, and what stands in its place.", metavar="OLD NEW"),
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to take out; repeatable.")] = None,
    prepend: Annotated[list[str] | None, typer.Option(help="A tag to put in front; repeatable.")] = None,
    add: Annotated[list[str] | None, typer.Option(help="A tag to add at the end; repeatable.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget the pictures' own captions.")] = False,
    caption: Template = None,
    holding: Holding = None,
    only: Only = None,
    subject: OfSubject = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Change the captions of a cohort's pictures, all or those chosen, as one decision: `undo` takes it back.

    Tags are what stands between commas. A picture without a caption of its own starts from the template. Captions are
    held to the rule of prompts, and all are changed or none.

    Example: kyodaku captions edit weddings --holding veil --add church --dry-run
    """
    from core.captioning import change
    from core.captioning.edits import Edit

    asked = Edit(text, replace, tuple(remove or ()), tuple(prepend or ()), tuple(add or ()), clear)
    if not asked:
        raise BadValue(
            "nothing is said about these captions", "give --set, --replace, --remove, --prepend, --add or --clear"
        )
    with opened(context) as catalog:
        items = [one.item for one in _called(catalog, cohort, None, caption, holding, only, subject)]
        done = change.change(catalog, items, asked, _recipe(None, caption), dry_run=dry_run)
    _tell(done, dry_run, as_json)


def export_captions(
    context: typer.Context,
    cohort: Cohort,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.")] = None,
    sidecars: Annotated[Path | None, typer.Option(help="Or a folder: a .txt for each picture.")] = None,
    trigger: Word = None,
    recipe: RecipeFile = None,
    caption: Template = None,
    as_json: AsJson = False,
) -> None:
    """Write what each picture is called: to one file, or to text files as trainers and tag editors have them.

    A line holds the picture, its caption and the photograph's path, apart by tabs; {trigger} stands for the person's
    word. Edited, it is read by `captions import`, or by a recipe (captions = "…").
    """
    from core.captioning import files

    if (output is None) == (sidecars is None):
        raise BadValue("where to is not said", "give either -o FILE or --sidecars FOLDER")
    with opened(context) as catalog:
        called = _called(catalog, cohort, recipe, caption)
        if output is not None:
            files.write_file(catalog, called, output)
        elif sidecars is not None:
            files.write_sidecars(catalog, called, sidecars, trigger)
    place = display(str(output or sidecars))
    emit({"path": place, "captions": len(called)}, f"{place} holds {counted(len(called), 'caption')}", as_json=as_json)


def import_captions(
    context: typer.Context,
    cohort: Cohort,
    source: Annotated[Path | None, typer.Argument(help="A file as `export` writes it, or a folder of .txt.")] = None,
    beside: Annotated[bool, typer.Option("--beside", help="Read the .txt beside each photograph instead.")] = False,
    trigger: Word = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give pictures the captions that files hold, as one decision: `undo` takes it back. The files are only read.

    A folder holds PHOTOGRAPH.txt for each, of which the first line counts. Where neither {trigger} nor the person's
    word stands in it, {trigger} is put in front. Every caption is held to the rule of prompts: all are taken or none.
    """
    from core.captioning import change, files

    if (source is None) != beside:
        raise BadValue("where from is not said", "give either a file or folder, or --beside")
    with opened(context) as catalog:
        called = _called(catalog, cohort, None, None)
        if source is not None and not source.is_dir():
            found = files.read_file(called, source)
        else:
            found = files.read_sidecars(called, source, trigger)
        done = change.write(catalog, found.captions, "called as files say", dry_run=dry_run)
    more = [f"{counted(found.without, 'picture')} in no file"] if found.without else []
    if found.strange:
        named = ", ".join(map(display, found.strange[:SHOWN]))
        more.append(f"{len(found.strange):,} are of no picture of the cohort: {named}")
    _tell(done, dry_run, as_json, more, without=found.without, strange=found.strange)


def propose(
    context: typer.Context,
    cohort: Cohort,
    wd14: Annotated[Path | None, typer.Option(help="A WD14 tagger's folder: model.onnx, selected_tags.csv.")] = None,
    clip: Annotated[Path | None, typer.Option(help="Or a CLIP model's folder; it chooses among --words.")] = None,
    words: Annotated[
        Path | None,
        typer.Option(help="A text file, a word a line; an empty line parts groups that exclude."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures looked at together.")] = 8,
    device: Annotated[str, typer.Option(help="For CLIP: auto (the GPU, or the CPU), cpu, cuda:1, …")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Let a tagger look at a cohort's pictures as they train; `accept` adds what it proposes to captions.

    Stopped, it goes on where it was. Nothing is fetched. Words about age, minors or sexual content are never proposed,
    nor characters and ratings; nothing is recorded of anyone's name, age or consent. WD14 needs kyodaku[tag].
    """
    from core.captioning import proposals

    with opened(context) as catalog, Progress() as progress:
        tagger = proposals.open_tagger(wd14, clip, words, device)
        done = proposals.propose(catalog, cohort, tagger, batch=batch, report=progress)
    emit(done, map(display, done.lines()), as_json=as_json)


def accept(
    context: typer.Context,
    cohort: Cohort,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Least probability; 0.35 to 0.5 are usual.")] = 0.35,
    most: Annotated[int, typer.Option(min=1, help="Tags a picture, the surest first.")] = 15,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only this tag; repeatable.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Not this tag; repeatable.")] = None,
    tagger: Annotated[str | None, typer.Option(help="Only what this one proposed, as `propose` names it.")] = None,
    caption: Template = None,
    holding: Holding = None,
    only: Only = None,
    subject: OfSubject = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add the tags that taggers proposed to captions, as one decision: `undo` takes it back.

    A tag with which a caption would not pass the rule of prompts is left out.
    """
    from core.captioning import proposals

    wanted = proposals.Taking(threshold, most, tuple(tag or ()), tuple(without or ()), tagger)
    with opened(context) as catalog:
        items = [one.item for one in _called(catalog, cohort, None, caption, holding, only, subject)]
        done = proposals.take(catalog, items, wanted, _recipe(None, caption), dry_run=dry_run)
    _tell(done, dry_run, as_json)


SHOWN = 10  # pictures or files named


def _called(
    catalog: Catalog,
    cohort: str,
    recipe: Path | None,
    caption: str | None,
    holding: str | None = None,
    only: Sequence[str] | None = None,
    subject: str | None = None,
) -> list[Called]:
    """The pictures meant, with their captions."""
    from core.captioning import change, edits
    from core.training.captions import name_of
    from storage import subjects

    called = sorted(change.listing(catalog, cohort, _recipe(recipe, caption)), key=lambda one: one.key[::-1])
    if only:
        unknown = set(only) - {name_of(one.key) for one in called}
        if unknown:
            raise BadValue(f"cohort {cohort!r} has no picture {min(unknown)}", f"see: kyodaku captions show {cohort}")
        called = [one for one in called if name_of(one.key) in only]
    if subject is not None:
        person = subjects.get(catalog, subject)
        called = [one for one in called if one.item.subject_id == person.id]
    return called if holding is None else [one for one in called if edits.holds(one.caption, holding)]


def _recipe(path: Path | None, caption: str | None) -> Recipe:
    from core.training import recipe as recipes

    return recipes.load(path, {} if caption is None else {"caption": caption})


def _row(one: Called) -> dict[str, Any]:
    from core.training.captions import name_of

    return {"picture": name_of(one.key), "caption": one.caption, "text": one.text, "own": one.own,
            "photo": one.photo.id, "subject": one.item.subject_id, "path": one.photo.path_text}  # fmt: skip


def _tell(done: Changed, dry_run: bool, as_json: bool, more: Sequence[str] = (), **fields: Any) -> None:
    from core.training.captions import name_of

    changed = {name_of(key): caption for key, caption in done.changed.items()}
    would = "would be: " if dry_run else ""
    lines = [f"{would}{line}" for line in done.lines()]
    lines += [f"  {name}: {display(text or 'as the recipe says')}" for name, text in list(changed.items())[:SHOWN]]
    lines += [f"  and {len(changed) - SHOWN:,} more"] * (len(changed) > SHOWN)
    document = {"pictures": done.pictures, "changed": changed, "dry_run": dry_run, **fields}
    emit(document, [*lines, *more], as_json=as_json)
