"""The tests would notice: expectations and sources are changed for real, and JUnit must fail each time."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from jvm import PACKAGE

SOURCES = Path(__file__).parents[1] / "core/src/main/java"


@dataclass(frozen=True)
class Mutation:
    """One line of the library changed."""

    file: str
    old: str
    new: str
    fails: str
    """A test that must fail: CLASS.METHOD, or a class of TESTS."""

    @property
    def test(self) -> str:
        return self.fails if "." in self.fails else f"{self.fails}.{TESTS[self.fails]}"


TESTS = {
    "PythonAnswersTest": "idsAreEqualScoresAgreeAndNothingSeenIsRecommended",
    "VerdictsTest": "everyCorruptionGetsPythonsVerdict",
    "ModelBinTest": "everyAnswerEqualsNumpys",
    "NewcomerTest": "newcomersAreAnsweredAsPythonAnswersThem",
    "PatchTest": "everyPatchEndsAsInPython",
    "TwoStageTest": "idsAndScoresAreEqualToTheBit",
}


MUTATIONS = {
    "the mask is off": Mutation(
        "OrtScorer",
        "contract.seenInput, tensor(query.seen)",
        "contract.seenInput, tensor()",
        "PythonAnswersTest",
    ),
    "the self-test is skipped": Mutation(
        "Recommender", "            test.run(recommender);\n", "", "VerdictsTest"
    ),
    "digests are not compared": Mutation(
        "RecBundle", "if (!found.equals(sha256)) {", "if (found == null) {", "VerdictsTest"
    ),
    "the manifest's digest is not compared": Mutation(
        "RecBundle", "if (!found.equals(stated)) {", "if (found == null) {", "VerdictsTest"
    ),
    "names may leave the folder": Mutation(
        "BundleFiles", "return SAFE_NAME.matcher(name).matches();", "return true;", "VerdictsTest"
    ),
    "k is not capped": Mutation(
        "Query",
        "k = Math.min(k, contract.nItems - distinct(concat(items, retired)).length);",
        "k = k + 0;",
        "PythonAnswersTest",
    ),
    "retired items are not counted": Mutation(
        "Query", "distinct(concat(items, retired)).length", "distinct(items).length", "PythonAnswersTest"
    ),
    "a history counts items twice": Mutation(
        "Query", "once ? distinct(seen)", "false ? distinct(seen)", "PythonAnswersTest"
    ),
    "a sequence loses its order": Mutation(
        "Query", " && contract.historyLength == 0", "", "PythonAnswersTest"
    ),
    "unlisted files are taken": Mutation(
        "RecBundle", "        checkListed(folder, files);\n", "", "VerdictsTest"
    ),
    "models may read other files": Mutation(
        "ModelFile", "                checkField(part.kind, fields);\n", "", "VerdictsTest"
    ),
    "any item index is taken": Mutation(
        "Answer",
        "if (item < 0 || item >= nItems) {",
        "if (item == nItems + 1) {",
        "RecommenderTest.anAnswerOutsideTheCatalogueIsAnError",
    ),
    "any tolerance is taken": Mutation("Contract", "        checkTolerance(where);\n", "", "VerdictsTest"),
    "a large tolerance is taken": Mutation(
        "Contract", "scoreTolerance > MAX_TOLERANCE * largestScore", "scoreTolerance < 0", "VerdictsTest"
    ),
    "arrays may claim what they do not hold": Mutation(
        "Npz", "if (count * width != in.remaining()) {", "if (count < 0) {", "VerdictsTest"
    ),
    "types of provenance are not looked at": Mutation(
        "RecBundle", "        Facts.check(values, where);\n", "", "VerdictsTest"
    ),
    "an unknown seen item is not named": Mutation(
        "Recommender", "                unknown.add(id);\n", "", "RecommenderTest.unknownIdsAreNamed"
    ),
    "a recall that is 1 by necessity is stated": Mutation(
        "RankingQuality",
        "isCertain(cutoffs[i], candidates) ? null : ",
        "",
        "PythonAnswersTest.qualityAndDigestOfAllRankedIdsAreEqual",
    ),
    "ties go to the higher item": Mutation(
        "BestItems",
        "return (long) score << 32 | (LOW - item);",
        "return (long) score << 32 | item;",
        "ModelBinTest",
    ),
    "the heap keeps the least of two children": Mutation(
        "BestItems", "heap[left + 1] < heap[left] ?", "heap[left + 1] > heap[left] ?", "ModelBinTest"
    ),
    "zero has two signs": Mutation(
        "BestItems", "score + 0f", "score", "ModelBinTest.keysKeepTheOrderOfScoresThenItems"
    ),
    "seen items of a model.bin are recommended": Mutation(
        "ModelBinScorer", "            hidden.set((int) item);\n", "", "ModelBinTest"
    ),
    "retired items of a model.bin are recommended": Mutation(
        "ModelBinScorer", "retired = model.retiredItems();", "retired = new BitSet();", "ModelBinTest"
    ),
    "places are taken for items": Mutation(
        "ModelBin", "return itemOf == 0 ? place", "return itemOf >= 0 ? place", "ModelBinTest"
    ),
    "the last block's filling is scored": Mutation(
        "ModelBinScorer",
        "Math.min(ModelBin.BLOCK, model.nItems - first)",
        "Math.min(ModelBin.BLOCK, model.nItems + 1 - first)",
        "ModelBinTest",
    ),
    "the tail of a quad lies otherwise": Mutation(
        "ModelBinScorer", "4 * (i % 4) + 2 * (i / 4 % 2)", "2 * (i % 8)", "ModelBinTest"
    ),
    "dimensions lie alone": Mutation(
        "ModelBinScorer", "d * SIZE + 16 * (i / 8) + i % 8", "d * SIZE + i", "ModelBinTest"
    ),
    "halves of a byte change places": Mutation(
        "ModelBinScorer", "(byte) ((both & 15) - 8)", "(byte) ((both >> 4 & 15) - 8)", "ModelBinTest"
    ),
    "a history is rounded down": Mutation(
        "ModelBinScorer", "(254 * Math.abs(sums[d]) + peak)", "(254 * Math.abs(sums[d]))", "ModelBinTest"
    ),
    "a section may end behind the file": Mutation(
        "ModelBin",
        "start + bytes <= data.limit()",
        "start <= data.limit()",
        "ModelBinTest.changedBytesAreRefusedOrAnswer",
    ),
    "an order may name any item": Mutation(
        "ModelBin",
        "refuse(item >= nItems || there",
        "refuse(item < 0 || there",
        "ModelBinTest.changedBytesAreRefusedOrAnswer",
    ),
    "a model.bin may be another contract's": Mutation(
        "ModelBinScorer", "        model.checkContract(contract);\n", "", "VerdictsTest"
    ),
    "small halves are flushed to zero": Mutation(
        "Half", "fraction * 5.9604645e-8f", "0f", "ModelBinTest.halvesAreWidenedAsTheStandardSays"
    ),
    "ids are off by one": Mutation(
        "IdMap", "return ids.get(index);", "return ids.get((index + 1) % ids.size());", "PythonAnswersTest"
    ),
    "popular items are for everybody": Mutation(
        "Recommender", "if (knows(user) || newcomer", "if (newcomer", "NewcomerTest"
    ),
    "seen items are popular": Mutation(
        "Recommender", "if (Arrays.binarySearch(hidden, popular[i]) < 0) {", "if (k > 0) {", "NewcomerTest"
    ),
    "retired items are popular": Mutation(
        "Popular", "if (Arrays.binarySearch(retired, item) < 0) {", "if (item >= 0) {", "NewcomerTest"
    ),
    "any history bundle answers": Mutation(
        "Recommender", "newcomer.history.users.size() > 0", "newcomer.history == this", "NewcomerTest"
    ),
    "who made a patch is not asked": Mutation(
        "Patch",
        "            trusted.check(file.getPath(), patch.signed, DOMAIN, patch.head);\n",
        "",
        "PatchTest",
    ),
    "a damaged payload is unpacked": Mutation(
        "Patch",
        "if (!Arrays.equals(digest(in),",
        "if (digest(in).length == 0 && !Arrays.equals(head,",
        "PatchTest",
    ),
    "a patch may make any bundle": Mutation(
        "Patch", "if (!made.equals(target)) {", "if (made.isEmpty()) {", "PatchTest"
    ),
    "a patch is for any bundle": Mutation(
        "Patch", "if (!old.digest.equals(patch.base)) {", "if (old.digest.isEmpty()) {", "PatchTest"
    ),
    "what a patch makes is not tested": Mutation(
        "Patch", "        check.check(draft, trusted);\n", "", "PatchTest"
    ),
    "a patch may make an unsigned bundle": Mutation(
        "Patch", "            AnyBundle.open(draft, trusted);\n", "", "PatchTest"
    ),
    "a bomb is unpacked": Mutation(
        "PatchFiles", "SPARE_BYTES = 16L << 20", "SPARE_BYTES = 16L << 30", "PatchTest"
    ),
    "a payload may go on": Mutation("PatchFiles", "            payload.end();\n", "", "PatchTest"),
    "added bytes are not added": Mutation(
        "PatchFiles", "block[b] += before[b];", "block[b] += 0;", "PatchTest"
    ),
    "a patch copies from beyond": Mutation(
        "PatchOperations", "offsets[i] > base - lengths[i]", "offsets[i] > base + lengths[i]", "PatchTest"
    ),
    "a patch writes where it likes": Mutation(
        "PatchIndex", "if (!BundleFiles.isSafeName(text)) {", "if (text.isEmpty()) {", "PatchTest"
    ),
    "a killed exchange is left as it is": Mutation(
        "Versions",
        "            disk.rename(next, folder);\n        }\n        if (gone",
        "        }\n        if (gone",
        "PatchTest.stoppedAnywhereABundleIsWhole",
    ),
    "a killed rollback is left as it is": Mutation(
        "Versions",
        "                disk.rename(was, folder);\n",
        "                disk.delete(was);\n",
        "PatchTest.aRollbackThatIsStoppedLosesNothing",
    ),
    "the version before may be any bundle": Mutation(
        "Versions", "if (!step) {", "if (before == null) {", "PatchTest.onlyAVersionOfTheBundleComesBack"
    ),
    "the last items are the first": Mutation(
        "TwoStageContract", "seen[seen.length - place]", "seen[place - 1]", "TwoStageTest"
    ),
    "two stages may be asked for what is left of them": Mutation(
        "TwoStageContract", "first.nItems - distinct.size()", "first.nItems - seen.length", "TwoStageTest"
    ),
    "two stages answer nearly": Mutation(
        "TwoStageSelfTest",
        "got.score(rank) == question.scores[rank]",
        "got.score(rank) == (float) question.scores[rank]",
        "TwoStageTest.whatIsDamagedIsRefusedAsInPython",
    ),
}


AS_IT_IS = sorted({mutation.test for mutation in MUTATIONS.values()})


def written(mutation: Mutation, folder: Path) -> Path:
    """The source with its line changed."""
    (source,) = SOURCES.rglob(f"{mutation.file}.java")
    text = source.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.file}: {mutation.old!r} is not there once"
    mutant = folder / source.name
    mutant.write_text(text.replace(mutation.old, mutation.new))
    return mutant


def named(test: str) -> tuple[str, str]:
    """Class and method, as Mutants.java takes them."""
    name, _, method = test.partition(".")
    return f"{PACKAGE}.{name}", method


@pytest.fixture(scope="module")
def outcomes(jvm, fixtures, tmp_path_factory) -> dict[str, str]:
    """What came of each mutant, and of the library as it is by each test; all in one JVM."""
    jvm.compile(Path(__file__).parent / "Mutants.java", "mutants")
    arguments = []
    for mutation in MUTATIONS.values():
        source = tmp_path_factory.mktemp("mutant")
        (source / "classes").mkdir()
        arguments += [str(written(mutation, source)), str(source / "classes"), *named(mutation.test)]
    nothing = tmp_path_factory.mktemp("none")
    for name in AS_IT_IS:
        arguments += ["none", str(nothing), *named(name)]
    done = jvm.mutants(*arguments, fixtures=fixtures)
    said = done.stdout.rstrip("\n").split("\n")  # ids hold what splitlines() takes for ends
    assert len(said) == len(MUTATIONS) + len(AS_IT_IS), done.stdout + done.stderr
    return dict(zip([*MUTATIONS, *AS_IT_IS], said, strict=True))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_library_fails(outcomes, name):
    assert outcomes[name].startswith("fails "), f"{MUTATIONS[name].test} although {name}: {outcomes[name]}"


@pytest.mark.parametrize("name", AS_IT_IS)
def test_the_library_as_it_is_passes_there_too(outcomes, name):
    assert outcomes[name] == "passes"


@pytest.mark.parametrize("bundle", ["int8-dim", "fp32", "int8-dim-single-user", "int8-dim-history"])
def test_a_changed_expectation_fails(jvm, fixtures, tmp_path, bundle):
    """One expected id of one query is another item."""
    shutil.copytree(fixtures / "bundles" / bundle, tmp_path / "bundles" / bundle)
    answers = json.loads((fixtures / "answers" / f"{bundle}.json").read_text())
    items = answers["queries"][0]["items"]
    items[7] = items[8]
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / f"{bundle}.json").write_text(json.dumps(answers))
    done = jvm.junit("PythonAnswersTest", fixtures=tmp_path)
    assert done.returncode != 0
    assert f"{bundle} query 0 rank 8 expected:" in done.stdout
