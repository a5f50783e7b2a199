"""Every rule is needed: with any one of them switched off in a copy of the source, the tests fail.

A mutation names its rule, the one place where it stands, and the tests that must notice. The old text must be
there exactly once, so a mutation can't outlive the line that it changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("core", "storage", "tui", "tests", "docs", "pyproject.toml")
FAILED = 1  # pytest's exit status for tests that failed; 2 and above: it could not run them


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule in words, and how to switch it off; `vital` ones are tried in every run of the suite."""

    rule: str
    file: str
    old: str
    new: str
    tests: str
    vital: bool = False


CONSENT = "tests/core/test_consent.py"
COHORT = "tests/core/test_cohort.py"
LOOP = "tests/core/training/test_loop.py"
WHOLE = "tests/core/training/test_whole.py"
DATASET = "tests/core/training/test_dataset.py"
WITHDRAWAL = "tests/core/test_withdrawal.py"
GENERATE = "tests/core/test_generate.py"
VERDICT = "tests/core/test_audit_verdict.py"
STRANGERS = "tests/core/test_audit_strangers.py"
RELEASE = "tests/core/test_release.py"
SAFETY = "tests/core/test_safety_checker.py"
MERGING = "tests/core/merging/test_catalogued.py"
PEOPLE = "tests/core/test_people.py"
TAGGING = "tests/core/test_tagging.py"
UNDO = "tests/core/decisions/test_undo.py"
ACTIONS = "tests/core/test_consent_actions.py"
STOPPING = "tests/core/test_stopping.py"
ERASURE = "tests/core/test_erasure.py"
CLAIMS = "tests/core/test_claims.py tests/core/interchange/test_assertions.py"
CAPTIONING = "tests/core/captioning/test_change.py"
TAGGERS = "tests/core/captioning/test_taggers.py"
PRINTS = "tests/core/test_printable.py tests/core/interchange/test_prints.py"
STANDARDS = "tests/core/test_sidecars.py tests/core/test_export_photos.py tests/core/interchange/test_copies.py"

MUTATIONS = (
    # Where a person stands
    Mutation(
        "only what a grant names is granted",
        "core/consent.py",
        "if purpose not in event.purposes or not _counts(event, purpose, subject):",
        "if not _counts(event, purpose, subject):",
        CONSENT,
        vital=True,
    ),
    Mutation(
        "the newest word counts, not the first",
        "core/consent.py",
        "for event in reversed(events):\n        if purpose not in event.purposes",
        "for event in events:\n        if purpose not in event.purposes",
        CONSENT,
    ),
    Mutation(
        "a grant ends at its end",
        "core/consent.py",
        "if event.valid_until is not None and event.valid_until <= at:",
        "if event.valid_until is not None and event.valid_until < at:",
        CONSENT,
    ),
    Mutation(
        "a grant begins at its beginning",
        "core/consent.py",
        "begins = max(begins, event.valid_from)",
        "begins = min(begins, event.valid_from)",
        CONSENT,
    ),
    Mutation(
        "nothing on record is unknown",
        "core/consent.py",
        "return Ruling(Status.UNKNOWN, None, next_begins,",
        "return Ruling(Status.GRANTED, None, next_begins,",
        CONSENT,
    ),
    Mutation(
        "a withdrawal is a no",
        "core/consent.py",
        "_NOES = (EventKind.REFUSAL, EventKind.WITHDRAWAL)",
        "_NOES = (EventKind.REFUSAL,)",
        CONSENT,
    ),
    Mutation(
        "a refusal is a no",
        "core/consent.py",
        "_NOES = (EventKind.REFUSAL, EventKind.WITHDRAWAL)",
        "_NOES = (EventKind.WITHDRAWAL,)",
        CONSENT,
    ),
    Mutation(
        "one person's word is no other's",
        "core/consent.py",
        "if subject is not None and event.subject_uid != subject.uid:",
        "if False:",
        CONSENT,
    ),
    # Minors, and ages that are not settled
    Mutation(
        "age comes before the ledger",
        "core/consent.py",
        "_age_ruling(subject, taken_at, at) if purpose in ADULT_ONLY_PURPOSES else None",
        "None",
        CONSENT,
        vital=True,
    ),
    Mutation(
        "release is for adults only",
        "storage/records.py",
        "ADULT_ONLY_PURPOSES = TRAIN_PURPOSES | {Purpose.RELEASE}",
        "ADULT_ONLY_PURPOSES = TRAIN_PURPOSES",
        "tests/core/test_consent_oracle.py",
    ),
    Mutation(
        "a declared minor is one",
        "core/consent.py",
        'if subject.minor:\n        return Ruling(Status.MINOR, None, None, "declared a minor")',
        'if False:\n        return Ruling(Status.MINOR, None, None, "declared a minor")',
        CONSENT,
    ),
    Mutation(
        "without birth date and attestation no age is settled",
        "core/consent.py",
        'return None if attested else _unsettled("neither a birth date',
        'return None if True else _unsettled("neither a birth date',
        CONSENT,
    ),
    Mutation(
        "who is not 18 today is a minor",
        "core/consent.py",
        "if not _is_adult(subject.born, _day_at(at)):\n        return Ruling(Status.MINOR, None, comes",
        "if False:\n        return Ruling(Status.MINOR, None, comes",
        CONSENT,
    ),
    Mutation(
        "who was not 18 when it was taken is a minor in it",
        "core/consent.py",
        "    if then is AgeThen.UNDER_AGE:\n",
        "    if False:\n",
        CONSENT,
        vital=True,
    ),
    Mutation(
        "a birth date does not settle an undated picture",
        "core/consent.py",
        'return None if attested else _unsettled("when it was taken is unknown',
        'return None if True else _unsettled("when it was taken is unknown',
        CONSENT,
    ),
    Mutation(
        "taken before the birth is not settled",
        "core/consent.py",
        "if taken_at.date() < subject.born:",
        "if False:",
        CONSENT,
    ),
    Mutation(
        "a birthday counts late where the camera's zone is unknown",
        "core/consent.py",
        "return (max(taken_at, datetime.min + ZONES) - ZONES).date()",
        "return taken_at.date()",
        CONSENT,
    ),
    Mutation(
        "a zone guessed from the place is none",
        "core/consent.py",
        "or source == BY_PLACE or",
        "or",
        "tests/core/test_consent.py",
    ),
    Mutation(
        "18 is 18 to the day",
        "core/consent.py",
        "return (day.year - ADULT_AT, day.month, day.day) >= (born.year, born.month, born.day)",
        "return (day.year - ADULT_AT, day.month) >= (born.year, born.month)",
        CONSENT,
    ),
    Mutation("adults are 18", "core/consent.py", "ADULT_AT = 18", "ADULT_AT = 17", CONSENT),
    Mutation(
        "a guardian never allows what is for adults",
        "core/consent.py",
        "return purpose not in ADULT_ONLY_PURPOSES\n",
        "return True\n",
        CONSENT,
    ),
    Mutation(
        "what a minor granted does not count",
        "core/consent.py",
        "return subject is None or not given_as_minor(subject, event.at, event.valid_from)",
        "return True",
        CONSENT,
    ),
    Mutation(
        "nobody can be recorded as granting for a minor what is for adults",
        "core/consent_actions.py",
        "if (minor or by_guardian) and adults_only:",
        "if False:",
        ACTIONS,
    ),
    Mutation(
        "only the guardian grants for a minor",
        "core/consent_actions.py",
        "if minor and not by_guardian:",
        "if False:",
        ACTIONS,
    ),
    Mutation(
        "nothing is renewed over a no",
        "core/consent_actions.py",
        "if ruling.status in (Status.GRANTED, Status.EXPIRED) and ruling.event_hash is not None:",
        "if ruling.event_hash is not None:",
        ACTIONS,
    ),
    Mutation(
        "what was said in person has a witness",
        "core/terms.py",
        "if terms.manner is Manner.IN_PERSON and terms.witness is None:",
        "if False:",
        ACTIONS,
    ),
    # Where a photograph stands
    Mutation(
        "a face without a name is unknown",
        "core/consent.py",
        'return Ruling(Status.UNKNOWN, None, None, "nobody has said who this is")',
        "return None",
        CONSENT,
        vital=True,
    ),
    Mutation(
        "likeness never permits",
        "core/consent.py",
        "if ruling.status is Status.GRANTED and not face.assigned_by_person:",
        "if False:",
        CONSENT,
        vital=True,
    ),
    Mutation(
        "a photograph takes the worst of its faces",
        "core/consent.py",
        "worst = min(said, key=",
        "worst = max(said, key=",
        CONSENT,
    ),
    Mutation(
        "not looked through is not known",
        "core/consent.py",
        "elif photo.faces_space is None:",
        "elif False:",
        CONSENT,
    ),
    Mutation(
        "what can't be read is not known",
        "core/consent.py",
        "if photo.error is not None:\n        said.append(",
        "if False:\n        said.append(",
        CONSENT,
    ),
    Mutation(
        "rights are said, not assumed",
        "core/consent.py",
        "if rights in (Rights.MINE, Rights.LICENSED):",
        "if True:",
        CONSENT,
    ),
    # What a cohort takes
    Mutation(
        "a picture with a minor in it is out, however it is cut",
        "core/selection.py",
        "NEVER = frozenset({Status.MINOR, Status.AGE_UNSETTLED})",
        "NEVER = frozenset()",
        COHORT,
    ),
    Mutation(
        "only granted faces become items",
        "core/selection.py",
        "if ruling.status is not Status.GRANTED or ruling.event_hash is None:",
        "if ruling.event_hash is None:",
        COHORT,
    ),
    Mutation(
        "a crop holds nobody else",
        "core/framing.py",
        "if not any(common_area((x, y, x + side, y + side), box) for box in kept_off)",
        "if True",
        "tests/core/test_framing.py",
    ),
    Mutation(
        "others are masked with a margin",
        "core/framing.py",
        "for box in map(around, others)\n        if common_area(box, crop)\n    ]",
        "for box in others\n        if common_area(box, crop)\n    ]",
        "tests/core/test_framing.py",
    ),
    Mutation(
        "a cohort has as many people as it asks for",
        "core/cohort.py",
        "if people < max(rules.min_subjects, 1):",
        "if people < 1:",
        COHORT,
    ),
    Mutation(
        "nobody has more of a cohort than it allows",
        "core/cohort.py",
        "if people < needed:",
        "if False:",
        COHORT,
    ),
    # What trains
    Mutation(
        "consent is asked at the start",
        "core/training/loop.py",
        "    recheck(catalog, cohort)\n    tasks",
        "    tasks",
        f"{LOOP} tests/core/training/test_job.py",
    ),
    Mutation(
        "consent is asked before a person's pictures are read",
        "core/training/one.py",
        "        look_at_consent()\n        own = [",
        "        own = [",
        LOOP,
    ),
    Mutation(
        "consent is asked before each pass over the pictures",
        "core/training/fit.py",
        "            if self.step and self.step % self.epoch == 0:\n                before_epoch()\n",
        "",
        LOOP,
    ),
    Mutation(
        "consent is asked before a model is on record",
        "core/training/loop.py",
        "            _look_at_all(catalog, settings.cohort, message.base_hash, task)\n",
        "",
        LOOP,
    ),
    Mutation(
        "weights that hold people are trained no further",
        "core/training/loop.py",
        "    if whole and own is not None:\n",
        "    if False:\n",
        WHOLE,
    ),
    Mutation(
        "one LoRA of several people takes their word for composites",
        "core/training/loop.py",
        "if cohort.rules.purpose is not Purpose.TRAIN_COMPOSITE and len(",
        "if False and len(",
        LOOP,
    ),
    Mutation(
        "somebody who turns up in frozen pixels stops the training",
        "core/cohort.py",
        "elif framing.shows(face.box, item.crop, item.masks):",
        "elif False:",
        COHORT,
    ),
    Mutation(
        "a changed file is not trained on",
        "core/decoding.py",
        "same = asked.content_hash is None or blake3(data).hexdigest() == asked.content_hash",
        "same = True",
        f"{LOOP} {DATASET}",
    ),
    Mutation(
        "captions of a file are held to the rule of prompts",
        "core/training/captions.py",
        "            check_caption(rest[0], where)\n",
        "            pass\n",
        "tests/core/training/test_captions.py",
    ),
    Mutation(
        "words that no prompt may have do not train, however they came into the catalog",
        "core/training/captions.py",
        '        check_caption(text, "a caption")',
        "        pass",
        "tests/core/training/test_captions.py",
    ),
    Mutation(
        "a caption that is changed is held to the rule of prompts",
        "core/captioning/change.py",
        '            edits.check(caption, f"picture {name_of(key)}")',
        "            pass",
        CAPTIONING,
    ),
    Mutation(
        "a tagger proposes nothing about minors or sexual content",
        "core/captioning/tag_rules.py",
        "if (finding := prompts.find(text)) is not None:",
        "if (finding := prompts.find(text)) is not None and False:",
        TAGGERS,
    ),
    Mutation(
        "a tagger says nothing of anybody's age",
        "core/captioning/tag_rules.py",
        "if _AGES & set(",
        "if False and _AGES & set(",
        TAGGERS,
    ),
    Mutation(
        "a tagger's characters and ratings are never proposed",
        "core/captioning/wd14.py",
        "if category == GENERAL}",
        "if category}",
        TAGGERS,
    ),
    Mutation(
        "a tagger looks at nobody who has withdrawn meanwhile",
        "core/captioning/proposals.py",
        "        watch()\n",
        "        pass\n",
        "tests/core/captioning/test_proposals.py",
    ),
    Mutation(
        "what a run calls the pictures of somebody who is erased goes",
        "core/erasure.py",
        "        captions.forget(kept, subject_id, names)\n",
        "        pass\n",
        ERASURE,
    ),
    Mutation(
        "a place that no prompt may name is in no caption",
        "core/training/captions.py",
        ' and not (asked and prompts.find(text.replace(TRIGGER, "")))',
        "",
        "tests/core/training/test_captions.py",
    ),
    Mutation(
        "a prior picture that the checks withhold is never shown",
        "core/training/prior.py",
        "if checker.look([picture])[0].withheld is not None:",
        "if False:",
        "tests/core/training/test_prior.py",
    ),
    Mutation(
        "held-out pictures are not learned from",
        "core/training/one.py",
        "learned = [at for at in range(len(items)) if at not in held]",
        "learned = list(range(len(items)))",
        "tests/core/training/test_watching.py",
    ),
    Mutation(
        "masked pixels carry no loss",
        "core/training/pictures.py",
        "free[top:bottom, left:right] = 0",
        "pass",
        DATASET,
    ),
    Mutation(
        "masked pixels are filled",
        "core/training/pictures.py",
        "crop.paste(FILL, (left, top, right, bottom))",
        "pass",
        DATASET,
    ),
    Mutation(
        "what is around the crop is cut before anything is resampled",
        "core/decoding.py",
        "whole.crop(asked.cut.box).resize(asked.cut.size, Image.Resampling.LANCZOS)",
        "whole.resize(asked.cut.size, Image.Resampling.LANCZOS, box=asked.cut.box)",
        DATASET,
    ),
    # What may be made of models, and drawn with them
    Mutation(
        "models out of use are not merged",
        "core/composition.py",
        "        require_in_use(model)\n",
        "        pass\n",
        MERGING,
    ),
    Mutation(
        "consent is asked when merging",
        "core/composition.py",
        "    if unwilling:\n        named",
        "    if False:\n        named",
        MERGING,
    ),
    Mutation(
        "a mean is of enough people",
        "core/composition.py",
        "    if len(shares) < needed:\n",
        "    if False:\n",
        MERGING,
    ),
    Mutation(
        "nobody has more of a mean than its cohorts allow",
        "core/composition.py",
        "if share > most + ROUNDING:",
        "if False:",
        f"{MERGING} {WITHDRAWAL}",
    ),
    Mutation(
        "nobody has more of a merge than was asked for it",
        "core/composition.py",
        "    if most is not None:\n",
        "    if False:\n",
        MERGING,
    ),
    Mutation(
        "what is merged is what was recorded",
        "core/merging/catalogued.py",
        "            if problem:\n",
        "            if False:\n",
        "tests/core/test_models.py",
    ),
    Mutation(
        "models out of use draw nothing",
        "core/composition.py",
        "    require_in_use(model)\n    now = ",
        "    now = ",
        GENERATE,
    ),
    Mutation(
        "one gate refuses what is out of use",
        "core/models.py",
        "    if model.state is not ModelState.OK:\n        raise Tainted(",
        "    if False:\n        raise Tainted(",
        STOPPING,
    ),
    Mutation(
        "one person is drawn only with their word for it",
        "core/composition.py",
        "if share >= ONE_PERSON and ruling.status is not Status.GRANTED:",
        "if False:",
        GENERATE,
    ),
    Mutation(
        "no share of a minor is small enough",
        "core/composition.py",
        "if ruling.status in NO_AGE:",
        "if False:",
        GENERATE,
    ),
    Mutation(
        "nobody's picture is started from without their word",
        "core/start_picture.py",
        "    if against:\n",
        "    if False:\n",
        "tests/core/test_start_picture.py",
    ),
    Mutation(
        "strangers' pictures are not started from",
        "core/start_picture.py",
        "        if seen:\n",
        "        if False:\n",
        "tests/core/test_start_picture.py",
    ),
    Mutation(
        "where a certificate is in use nothing is left unsigned",
        "core/generate.py",
        "files = signer or credentials.in_use(catalog)",
        "files = signer",
        GENERATE,
    ),
    Mutation(
        "a certificate signs with its own key",
        "core/credentials.py",
        "    if private.public_key() != first.public_key():\n",
        "    if False:\n",
        "tests/core/test_credentials.py",
    ),
    Mutation(
        "whose word copies that are out no more have is told",
        "core/releases.py",
        "if ruling.status in LOST]",
        "if False]",
        RELEASE,
    ),
    Mutation(
        "a withdrawal tells what copies are out",
        "core/withdrawal.py",
        "if {*purposes} & {*releases.FOR_IT} else []",
        "if False else []",
        RELEASE,
    ),
    Mutation(
        "a mask weakens no rule of the picture under it",
        "core/start_picture.py",
        "if not _settled(catalog, path, content):",
        "if mask is None and not _settled(catalog, path, content):",
        "tests/core/test_start_picture.py",
    ),
    Mutation(
        "what began as a picture is marked so",
        "core/generated_marks.py",
        "(FROM_NOISE if origin.start is None else FROM_PICTURE)",
        "FROM_NOISE",
        GENERATE,
    ),
    Mutation(
        "what a mask leaves stays to the pixel",
        "core/generate.py",
        "        if start is not None and start.mask is not None:\n            pictures",
        "        if False:\n            pictures",
        GENERATE,
    ),
    Mutation(
        "no prompt asks for an age under 18",
        "core/prompts.py",
        "if (years := below_18(base)) is not None:",
        "if False:",
        "tests/core/test_prompts.py",
    ),
    Mutation(
        "no prompt names what is refused in letters spelled apart",
        "core/prompts.py",
        "match = match or next(filter(None, (terms.drawn_together.search(run) for run in runs)), None)",
        "",
        "tests/core/test_prompts.py",
    ),
    Mutation(
        "whose photographs are is on the ledger",
        "core/rights.py",
        "        ledger.append_many(catalog, events)\n",
        "",
        "tests/core/test_rights.py",
    ),
    Mutation(
        "whose photographs are is said by somebody",
        "core/rights.py",
        "    if not by:\n",
        "    if False:\n",
        "tests/core/test_rights.py",
    ),
    Mutation(
        "a prompt is judged as it is drawn, the model's word in it",
        "core/generate.py",
        "    prompts.check(text)  #",
        "    #",
        GENERATE,
    ),
    Mutation(
        "what looks under age is withheld",
        "core/generated_checks.py",
        "if ages and min(ages) < ADULT:",
        "if False:",
        GENERATE,
    ),
    Mutation(
        "what looks sexual is withheld",
        "core/generated_checks.py",
        "    if nsfw >= NSFW_LIMIT:\n",
        "    if False:\n",
        GENERATE,
    ),
    Mutation(
        "what the safety checker suspects is withheld",
        "core/generated_checks.py",
        "    if unsafe:\n",
        "    if False:\n",
        SAFETY,
    ),
    Mutation(
        "pictures that no safety checker saw say so",
        "core/generate.py",
        'return {"unchecked": True} if checker.safety_hash is None else',
        "return {} if checker.safety_hash is None else",
        SAFETY,
    ),
    Mutation(
        "half a safety checker is none",
        "core/local_model.py",
        'if lacking := sorted(told["missing_keys"]):',
        'if lacking := sorted(told["missing_keys"])[:0]:',
        f"{SAFETY} {TAGGERS}",
    ),
    # Work under way, and what a crash leaves
    Mutation(
        "training stops within a step",
        "core/training/one.py",
        "            watch()\n",
        "",
        STOPPING,
    ),
    Mutation(
        "training on a model stops with it",
        "core/training/loop.py",
        "    permit_base(catalog, base_hash)\n",
        "",
        STOPPING,
    ),
    Mutation(
        "drawing and merging look before each step",
        "core/watch.py",
        "        if count != self._seen:",
        "        if False:",
        STOPPING,
    ),
    Mutation(
        "drawn pictures are withdrawn with their model",
        "core/taking_out.py",
        "drawn = generated.withdraw(catalog, [model.id for model in found])",
        "drawn = generated.of_models(catalog, [model.id for model in found])",
        STOPPING,
    ),
    Mutation(
        "a withdrawal that is cut short is finished",
        "core/taking_out.py",
        "        unfinished.put_down(catalog, SETTLE)\n",
        "        pass\n",
        STOPPING,
    ),
    Mutation(
        "weights without a row are swept",
        "core/left_over.py",
        "    sweep_strays(catalog)\n",
        "",
        STOPPING,
    ),
    # Erasure
    Mutation(
        "an erased face is in the rules, as unknown",
        "core/consent.py",
        "if face.mark is not None and face.mark is not FaceMark.ERASED:",
        "if face.mark is not None:",
        ERASURE,
    ),
    Mutation(
        "an earlier name goes too",
        "core/erasure.py",
        "return Names((person.name, *subjects.earlier_names(catalog, person.id)))",
        "return Names((person.name,))",
        ERASURE,
    ),
    Mutation(
        "what jobs told of an erased person goes",
        "core/erasure.py",
        "    _scrub_jobs(catalog, names, rest.subject_id)\n",
        "",
        ERASURE,
    ),
    Mutation(
        "who is erased leaves the sidecars",
        "core/erasure.py",
        "beside = sidecars.write(catalog, rest.sidecars, report=report)",
        "beside = sidecars.Written()",
        STANDARDS,
    ),
    Mutation(
        "an erased face is never anybody's again",
        "storage/migrations/019_erasure.sql",
        "WHEN old.mark = 'erased' BEGIN",
        "WHEN 0 BEGIN",
        ERASURE,
    ),
    Mutation(
        "an erased face is never embedded again",
        "storage/migrations/019_erasure.sql",
        "WHEN (SELECT mark FROM faces WHERE id = new.face_id) = 'erased' BEGIN",
        "WHEN 0 BEGIN",
        ERASURE,
    ),
    Mutation(
        "an erased face is not assigned",
        "core/people.py",
        "        refuse_erased([face])\n",
        "",
        ERASURE,
    ),
    Mutation(
        "words of an erased person leave the ledger",
        "core/erasure.py",
        "redacted = ledger.redact(catalog, lambda event: _names_them(event, person, names))",
        "redacted = dict[int, str]()",
        ERASURE,
    ),
    Mutation(
        "embeddings of an erased person go",
        "storage/erased.py",
        'db.execute(f"DELETE FROM face_embeddings WHERE face_id IN ({_AMONG})", (wanted,))',
        "pass",
        ERASURE,
    ),
    Mutation(
        "free pages are written anew",
        "core/erasure.py",
        "    if not forgetting.compact(catalog):",
        "    if False:",
        ERASURE,
    ),
    Mutation(
        "evidence and thumbnails of an erased person go",
        "core/erasure.py",
        "    for path in _kept_files(catalog, rest):\n        erase_file(path)\n",
        "",
        ERASURE,
    ),
    Mutation(
        "the ledger's file is written anew",
        "storage/ledger.py",
        'db.execute("UPDATE ledger_twin SET stale = 1")',
        "pass",
        ERASURE,
    ),
    Mutation(
        "words that are gone are vouched for",
        "storage/chain.py",
        "        if self._unvouched:\n",
        "        if False:\n",
        ERASURE,
    ),
    Mutation(
        "what is left of an event is as its erasure left it",
        "storage/chain.py",
        "if self._unvouched.pop(int(number), None) != held:",
        "if self._unvouched.pop(int(number), None) is None:",
        ERASURE,
    ),
    Mutation(
        "an erasure that is cut short is finished",
        "core/left_over.py",
        "    erasure.finish(catalog)\n",
        "",
        ERASURE,
    ),
    Mutation(
        "training of somebody erased stops",
        "core/training/loop.py",
        "    if not left.issuperset(item.leaf for item in task.items):",
        "    if False:",
        STOPPING,
    ),
    # What an audit may say
    Mutation(
        "a broken model is not nobody",
        "core/audit_verdict.py",
        "if seen.pictures - seen.faceless < LEAST_SHARE * seen.pictures:",
        "if False:",
        VERDICT,
    ),
    Mutation(
        "half of one person is never nobody",
        "core/audit_verdict.py",
        "    if largest >= ONE_PERSON:\n",
        "    if False:\n",
        VERDICT,
    ),
    Mutation(
        "a blurred model is not nobody",
        "core/audit_verdict.py",
        "elif fit.share < LEAST_KNOWN:",
        "elif False:",
        VERDICT,
    ),
    Mutation(
        "too few strangers know no rate",
        "core/audit_verdict.py",
        "    if not threshold.enough:\n",
        "    if False:\n",
        VERDICT,
    ),
    Mutation(
        "what so few faces could hide is not nobody",
        "core/audit_verdict.py",
        "(share is None or share > LARGEST_MISSED):",
        "share is None:",
        VERDICT,
    ),
    Mutation(
        "matches beyond chance are somebody",
        "core/audit_verdict.py",
        "if threshold.strangers > 1 and seen.matches >= needed:",
        "if False:",
        VERDICT,
        vital=True,
    ),
    Mutation(
        "nobody is said by all embedders or by none",
        "core/audit_agreement.py",
        "    if set(said.values()) == {NOBODY_VERDICT}:\n",
        "    if NOBODY_VERDICT in said.values():\n",
        "tests/core/test_audit_agreement.py",
    ),
    Mutation(
        "what one embedder sees the others don't take back",
        "core/audit_agreement.py",
        "RESEMBLES if RESEMBLES in said.values() else NOT_ENOUGH",
        "NOT_ENOUGH",
        "tests/core/test_audit_agreement.py",
    ),
    Mutation(
        "each embedder knows everybody",
        "core/audit.py",
        "        if missing := everybody - set(eye.known.subjects):\n",
        "        if missing := set[int]():\n",
        "tests/core/test_audit_agreement.py",
    ),
    Mutation("a copy is somebody", "core/audit_verdict.py", "    if copies:\n", "    if False:\n", VERDICT),
    Mutation(
        "a pull is somebody",
        "core/audit_verdict.py",
        "if pull is not None and pull.stands_out:",
        "if False:",
        VERDICT,
    ),
    Mutation(
        "more people searched ask for a stricter threshold",
        "core/audit_strangers.py",
        "rate = 1 - (1 - fmr) ** scale",
        "rate = fmr",
        STRANGERS,
    ),
    Mutation(
        "standing out counts, not being near",
        "core/audit_strangers.py",
        "told: Floats = np.where(spread > 0, (middle - found) / np.where(spread > 0, spread, 1), 0.0)",
        "told: Floats = -found",
        STRANGERS,
    ),
    Mutation(
        "a planted copy is found",
        "core/audit_copies.py",
        '"patches": ratio <= COPY,',
        '"patches": False,',
        "tests/core/test_audit_copies.py",
    ),
    # What leaves the catalog
    Mutation(
        "a model leaves only with everyone's word",
        "core/release.py",
        "        if ruling.status is not Status.GRANTED:\n            missing",
        "        if False:\n            missing",
        RELEASE,
        vital=True,
    ),
    Mutation(
        "everyone in the lineage is asked",
        "core/models.py",
        "everyone = {person for one in ids for person in artifacts.shares_of(catalog, one)}",
        "everyone = set(list(artifacts.shares_of(catalog, model.id))[:1])",
        RELEASE,
    ),
    Mutation(
        "consent is asked again when the copy is made",
        "core/release.py",
        "        _require_granted(catalog, permit.model.name, permit.people, now)\n        audits",
        "        audits",
        RELEASE,
    ),
    Mutation(
        "one person's model stays",
        "core/release.py",
        "if model.kind not in COMPOSITES or len(shares) < 2 or max(shares.values()) >= ONE_PERSON:",
        "if False:",
        RELEASE,
    ),
    Mutation(
        "what was not audited stays",
        "core/release.py",
        "    if audit.bytes_hash != bytes_hash:\n",
        "    if False:\n",
        RELEASE,
    ),
    Mutation(
        "what did not pass its audit stays",
        "core/release.py",
        "    if audit.verdict != NOBODY_VERDICT:\n",
        "    if False:\n",
        RELEASE,
    ),
    Mutation(
        "what no safety checker saw stays",
        "core/release.py",
        "    if audit.checker is None:\n",
        "    if False:\n",
        RELEASE,
    ),
    Mutation(
        "a tainted model stays",
        "core/release.py",
        "    require_in_use(model)\n    shares",
        "    shares",
        RELEASE,
    ),
    Mutation(
        "no minor's photographs are looked at for membership",
        "core/membership.py",
        "    _require_adult(catalog, person)\n    require_in_use",
        "    require_in_use",
        "tests/core/test_membership.py",
    ),
    # What leaves the models
    Mutation(
        "a withdrawal takes models out of use",
        "core/withdrawal.py",
        'taken = take_out(catalog, person, purposes, f"{person.name} withdrew")',
        "taken = TakenOut()",
        WITHDRAWAL,
    ),
    Mutation(
        "a refusal after a grant takes models out of use",
        "core/consent_actions.py",
        "taken = [take_out_lost(catalog, subjects.get(catalog, one.subject)) for one in recorded]",
        "from core.taking_out import TakenOut\n\n        taken = [TakenOut() for _ in recorded]",
        WITHDRAWAL,
    ),
    Mutation(
        "who turns out a minor leaves every model",
        "core/withdrawal.py",
        "    taken = take_out_lost(catalog, person)\n",
        "    taken = TakenOut()\n",
        WITHDRAWAL,
    ),
    Mutation(
        "files of models out of use are erased",
        "core/withdrawal.py",
        "        models.erase_files(catalog, out_of_use)\n",
        "",
        WITHDRAWAL,
    ),
    Mutation(
        "what training kept of a person is erased",
        "core/withdrawal.py",
        "        _erase_kept(catalog)\n",
        "",
        WITHDRAWAL,
    ),
    Mutation(
        "pictures of one person go with their word",
        "core/withdrawal.py",
        "        _erase_portraits(catalog)\n",
        "",
        WITHDRAWAL,
    ),
    Mutation(
        "a merge is remade without who is lost",
        "core/composition.py",
        "if gone or (_is_trained_on_one(part) and not usable):",
        "if _is_trained_on_one(part) and not usable and False:",
        WITHDRAWAL,
    ),
    Mutation(
        "a checkpoint trained on several waits to be trained again",
        "core/withdrawal.py",
        "several = model.kind is ModelKind.FULL and",
        "several = False and",
        WHOLE,
    ),
    Mutation(
        "a file says nothing of its base's people in the name of its own",
        "core/merging/blocks.py",
        "if metadata is None or not key.startswith(OURS)}",
        "}",
        WHOLE,
    ),
    Mutation(
        "a face put right takes out what it trained",
        "core/people.py",
        "        correction.taken = take_out_faces(catalog, [face.id])\n",
        "",
        WITHDRAWAL,
    ),
    # What files say, and what leaves
    Mutation(
        "what a file claims bars what it speaks of",
        "core/consent.py",
        "    said += claim_rulings(photo, purpose)\n",
        "",
        CLAIMS,
    ),
    Mutation(
        "a claim never grants",
        "core/consent.py",
        "(Bar.MINOR, ADULT_ONLY_PURPOSES, Status.AGE_UNSETTLED,",
        "(Bar.MINOR, ADULT_ONLY_PURPOSES, Status.GRANTED,",
        CLAIMS,
    ),
    Mutation(
        "an age under 18 in a file bars",
        "core/interchange/assertions.py",
        "case ClaimField.MINOR_AGE if value in MINOR_AGES:",
        "case ClaimField.MINOR_AGE if False:",
        CLAIMS,
    ),
    Mutation(
        "a claimed picture is in no cohort",
        "core/selection.py",
        "    if claimed:\n",
        "    if False:\n",
        CLAIMS,
    ),
    Mutation(
        "a claim stops a frozen cohort",
        "core/cohort.py",
        "    for claimed in consent.claim_rulings(photo, purpose):\n",
        "    for claimed in consent.claim_rulings(photo, purpose)[:0]:\n",
        CLAIMS,
    ),
    Mutation(
        "a claimed picture is not drawn from",
        "core/start_picture.py",
        "return [*faced, *claimed]",
        "return faced",
        CLAIMS,
    ),
    Mutation(
        "another picture under the name has nothing settled",
        "storage/photos.py",
        "    claims.forget(db, ids)\n",
        "",
        CLAIMS,
    ),
    Mutation(
        "what was there before our words stays a claim",
        "core/sidecars.py",
        "told.words() - foreign",
        "told.words()",
        STANDARDS,
    ),
    Mutation(
        "names go into files only where catalogue is granted",
        "core/interchange/statement.py",
        "return face.assigned_by_person and ruling is not None and ruling.status is Status.GRANTED",
        "return face.assigned_by_person",
        STANDARDS,
    ),
    Mutation(
        "training is said to be prohibited where it is not granted",
        "core/interchange/statement.py",
        "None if trains else NO_GENERATIVE_TRAINING",
        "None",
        STANDARDS,
    ),
    Mutation(
        "only what may be published is exported",
        "core/export_photos.py",
        "if ruling.status is not Status.GRANTED:",
        "if False:",
        STANDARDS,
    ),
    Mutation(
        "copies are of the file that was indexed",
        "core/decoding.py",
        "same = asked.content_hash is None or blake3(data).hexdigest() == asked.content_hash",
        "same = True",
        STANDARDS,
    ),
    Mutation(
        "a photograph is printed by the word of everyone in it",
        "core/printable.py",
        'raise Refused(f"{what}{ruling.status}: {ruling.why}", ASK)',
        "pass",
        PRINTS,
    ),
    Mutation(
        "a drawn picture is printed by the word of everyone in its model",
        "core/printable.py",
        "    _require_people(catalog, model)\n",
        "",
        PRINTS,
    ),
    Mutation(
        "what a model out of use drew is not printed",
        "core/printable.py",
        "    require_in_use(model)\n",
        "",
        PRINTS,
    ),
    Mutation(
        "withdrawn pictures are not printed",
        "core/printable.py",
        "if source.of.state is not GeneratedState.OK:",
        "if False:",
        PRINTS,
    ),
    Mutation(
        "a drawn picture is printed by the word of everyone in what it began as",
        "core/printable.py",
        "    if source.beginning is not None:\n",
        "    if False:\n",
        PRINTS,
    ),
    Mutation(
        "what nobody knows the beginning of is not printed",
        "core/interchange/prints.py",
        "    if marks.from_picture and marks.start is None:\n",
        "    if False:\n",
        PRINTS,
    ),
    Mutation(
        "consent is asked again before prints are written",
        "core/interchange/prints.py",
        'raise ConsentLost(f"meanwhile {error.message}", "run it again: it is left out then") from error',
        "pass",
        PRINTS,
    ),
    Mutation(
        "positions are stripped",
        "core/interchange/copies.py",
        "if gps and (where :=",
        "if (where :=",
        STANDARDS,
    ),
    Mutation(
        "maker notes are stripped",
        "core/interchange/copies.py",
        "for tag in _EXIF_TAGS if tag in inner",
        "for tag in inner",
        STANDARDS,
    ),
    Mutation(
        "what tells of a JPEG is stripped",
        "core/interchange/copies.py",
        "        elif _makes_the_picture(marker, body):\n",
        "        else:\n",
        STANDARDS,
    ),
    Mutation(
        "a face that is ignored takes out what it trained",
        "core/people.py",
        "return take_out_faces(catalog, [face.id], mark)",
        "return TakenOut()",
        "tests/core/test_copies.py",
    ),
    Mutation(
        "a face that counts again takes out what shows it",
        "core/taking_out.py",
        "        if mark is None:\n            shown",
        "        if False:\n            shown",
        "tests/core/test_copies.py",
    ),
    Mutation(
        "a withdrawal reaches others' pictures that show the person",
        "core/taking_out.py",
        "{*frozen_faces.now_others(catalog, subject_id=person.id), *shown}",
        "{*frozen_faces.now_others(catalog, subject_id=person.id)}",
        "tests/core/test_copies.py",
    ),
    Mutation(
        "a face in the place of a frozen one that is gone takes out what that trained",
        "storage/frozen_faces.py",
        "(i.photo_id <> p.id OR g.id IS NULL) AND ",
        "i.photo_id <> p.id AND ",
        "tests/core/test_copies.py",
    ),
    Mutation(
        "a face put right in a copy takes out what the other trained",
        "storage/frozen_faces.py",
        "*_same_in_copies(db, among, asked)",
        "",
        "tests/core/test_copies.py",
    ),
    # People
    Mutation(
        "merging people never widens consent",
        "core/people.py",
        "    if wider:\n",
        "    if False:\n",
        PEOPLE,
    ),
    Mutation(
        "merging people never loses an age",
        "core/people.py",
        "if (goes.minor, goes.born) != (stays.minor, stays.born) and (goes.minor or goes.born):",
        "if False:",
        PEOPLE,
    ),
    # Keys on photographs
    Mutation(
        "no consent is recorded where a face is nobody's",
        "core/tagging.py",
        "    if unnamed:\n",
        "    if False:\n",
        TAGGING,
    ),
    Mutation(
        "no consent is recorded of whom a face only looks like",
        "core/tagging.py",
        "    if alike:\n",
        "    if False:\n",
        TAGGING,
    ),
    Mutation(
        "a key asks before it takes models out of use",
        "core/tagging.py",
        "            if lost:\n",
        "            if False:\n",
        TAGGING,
    ),
    # Undo
    Mutation(
        "undoing overrules nobody's newer word",
        "core/decisions/consents.py",
        "if newest is None or _first_said(newest) != _first_said(by_hash[one[expected]]):",
        "if newest is None:",
        UNDO,
    ),
    Mutation(
        "undoing a withdrawal allows nothing for a minor",
        "core/decisions/consents.py",
        'details |= guardian_details(person, purposes, event.by or "", at, event.valid_from)',
        "pass",
        UNDO,
    ),
    Mutation(
        "a first grant that is undone is withdrawn",
        "core/decisions/consents.py",
        "again.insert(0, None)",
        "pass",
        UNDO,
    ),
    Mutation(
        "a merge is done again only where it is safe",
        "core/decisions/undo.py",
        "        people.refuse_unsafe_merge(catalog, stays, goes)\n",
        "",
        UNDO,
    ),
    Mutation(
        "a face that changed hands since is not given back",
        "core/decisions/undo.py",
        "    if moved or not now:\n",
        "    if not now:\n",
        UNDO,
    ),
    Mutation(
        "undoing a grant takes out what it trained",
        "core/decisions/consents.py",
        "        taken += _taken(catalog, people[uid], recorded)\n",
        "",
        UNDO,
    ),
    Mutation(
        "undoing whose face it is takes out what it trained",
        "core/decisions/undo.py",
        "return decision.body, take_out_faces(catalog, list(restored))",
        "return decision.body, TakenOut()",
        UNDO,
    ),
    # The ledger
    Mutation(
        "the ledger's rows are kept",
        "storage/migrations/001_first.sql",
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;\nCREATE TRIGGER ledger_keeps_values",
        "BEGIN SELECT 1; END;\nCREATE TRIGGER ledger_keeps_values",
        "tests/storage/test_ledger.py",
    ),
    Mutation(
        "an event follows the one before it",
        "storage/chain.py",
        'if fields.get("previous") != self.head or fields.get("seq") != due:',
        'if fields.get("seq") != due:',
        "tests/storage/test_ledger.py",
    ),
    Mutation(
        "a checkpoint vouches for the head",
        "storage/checkpoints.py",
        "    if head != point.head:\n",
        "    if False:\n",
        "tests/storage/test_checkpoints.py",
    ),
    Mutation(
        "a checkpoint bears its key's signature",
        "storage/checkpoints.py",
        "    if not _is_signed(point):\n",
        "    if False:\n",
        "tests/storage/test_checkpoints.py",
    ),
    Mutation(
        "a clock set back hides no withdrawal",
        "storage/ledger.py",
        "return max(now, from_text(latest)) if latest else now",
        "return now",
        "tests/core/test_statuses.py tests/storage/test_ledger.py",
    ),
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source and its tests, to be changed."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "sample_data").symlink_to(ROOT / "sample_data")
    return folder


def _run(copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """These tests on the copy, up to the first that fails. No byte code: files change within a clock tick."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-x", "-m", "not slow", "-p", "no:cacheprovider", *tests],
        check=False,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def _notice(copy: Path, mutation: Mutation) -> None:
    path = copy / mutation.file
    source = path.read_text()
    assert source.count(mutation.old) == 1, f"{mutation.file}: not there exactly once: {mutation.old}"
    path.write_text(source.replace(mutation.old, mutation.new))
    try:
        ran = _run(copy, mutation.tests.split())
    finally:
        path.write_text(source)
    assert ran.returncode == FAILED, f"nobody noticed: {mutation.rule}\n{ran.stdout[-2000:]}"


def _named(mutation: Mutation) -> str:
    return mutation.rule.replace(" ", "-")


def test_each_rule_stands_where_its_mutation_says() -> None:
    moved = [one.rule for one in MUTATIONS if (ROOT / one.file).read_text().count(one.old) != 1]
    assert not moved
    assert len({one.rule for one in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.slow
def test_the_copy_passes(copy: Path) -> None:
    wanted = sorted({path for mutation in MUTATIONS for path in mutation.tests.split()})
    ran = _run(copy, wanted)
    assert ran.returncode == 0, ran.stdout[-2000:]


@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if one.vital], ids=_named)
def test_a_vital_rule_is_needed(copy: Path, mutation: Mutation) -> None:
    _notice(copy, mutation)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if not one.vital], ids=_named)
def test_a_rule_is_needed(copy: Path, mutation: Mutation) -> None:
    _notice(copy, mutation)
