// Says what is in the field as it is typed. The server decides: nothing here keeps a form from being sent.
"use strict";
{
  const [form, text, file, noFile, drop, says] = ["submission", "text", "file", "no-file", "drop", "check"]
    .map((id) => document.getElementById(id));
  const limit = Object.fromEntries(Object.entries(form.dataset).map(([name, value]) => [name, Number(value)]));
  const OTHER = /[^ACDEFGHIKLMNPQRSTVWYUOBJXZ\-.~\s]/i;
  const NOT_BASES = /[^ACGTURYKMSWBDHVN\-.~*\s]/i;
  const shorten = (id) => (id.length > 30 ? `${id.slice(0, 30)}...` : id);

  // A record's faults, in the reader's own terms.
  function look(record, found) {
    const letters = record.parts.join("").replace(/\s/g, "");
    const body = letters.replace(/\*[-.~]*$/, "");
    const length = body.replace(/[-.~]/g, "").length;
    const name = `record ${said(found.n)}${record.id ? ` (${shorten(record.id)})` : ""}`;
    found.residues += length;
    if (!length) found.faults.push(`${name} has no residues`);
    const at = body.search(OTHER);
    if (at >= 0) found.faults.push(`${name}, position ${said(at + 1)}: "${body[at]}" is no residue`);
    if (length > limit.length) found.faults.push(`${name} has ${said(length)} residues; at most ${said(limit.length)} are allowed`);
    if (record.id && found.ids.has(record.id)) found.faults.push(`${name}: an earlier record has the same id`);
    found.ids.add(record.id);
    const bases = body.replace(/[^ACGTUN]/gi, "").length;
    if (!NOT_BASES.test(body) && bases >= 0.9 * length) found.nucleotides += length;
    else found.proteins += 1;
  }

  function read(content) {
    const found = { n: 0, residues: 0, nucleotides: 0, proteins: 0, faults: [], ids: new Set(), kind: "fasta" };
    const lines = content.replace(/^\uFEFF/, "").split(/\r\n?|\n/);
    const start = lines.findIndex((line) => line.trim() && !line.trimStart().startsWith("#"));
    if (start < 0) return { ...found, kind: "nothing" };
    const first = lines[start].trim();
    const isBare = /^[A-Z]{4,}$/.test(first);
    if (!isBare && !first.startsWith(">")) return { ...found, kind: /[\t,;]/.test(first) ? "table" : "unknown" };
    let record = isBare ? { id: "", parts: [] } : null;
    if (isBare) found.n = 1;
    for (const line of lines.slice(start)) {
      if (line.trimStart().startsWith(">")) {
        if (record) look(record, found);
        record = { id: line.trim().slice(1).trim().split(/[ \t]/, 1)[0], parts: [] };
        found.n += 1;
      } else record.parts.push(line);
      if (found.faults.length > 20) break;
    }
    look(record, found);
    return found;
  }

  function words(found, name) {
    if (found.kind === "nothing") return [[], []];
    if (found.kind === "table") return [[`${name}It looks like a table: the server reads its column "sequence".`], []];
    if (found.kind === "unknown") return [[], [`${name}It begins neither with ">" nor with a sequence in capitals, nor like a table.`]];
    const good = [`${name}${counted(found.n, "sequence")}, ${counted(found.residues, "residue")}${found.faults.length > 20 ? " up to there" : ""}.`];
    const bad = found.faults.slice(0, 3).map((fault) => `${fault[0].toUpperCase()}${fault.slice(1)}.`);
    if (found.faults.length > 3) bad.push(`And ${found.faults.length > 20 ? "many" : said(found.faults.length - 3)} more of the kind.`);
    if (!found.proteins && found.nucleotides >= 30) bad.push("It looks like DNA or RNA: proteins are asked for. Translate it first.");
    if (found.n > limit.sequences) bad.push(`At most ${said(limit.sequences)} sequences are allowed.`);
    if (found.residues > limit.residues) bad.push(`At most ${said(limit.residues)} residues are allowed.`);
    if (!bad.length) {
      const small = found.n <= limit.smallSequences && found.residues <= limit.smallResidues;
      good.push(small ? "It is answered at once." : "It is queued, with a link to come back by.");
    }
    return [good, bad];
  }

  async function check() {
    const chosen = file.files[0];
    noFile.hidden = !chosen;
    let [good, bad] = [[], []];
    if (chosen) {
      const name = `${chosen.name}: `;
      if (chosen.size > limit.upload) bad = [`${name}it is larger than ${said(Math.round(limit.upload / 2 ** 20))} MB, more than is allowed.`];
      else if (/\.(gz|bz2|xz|zst)$/i.test(chosen.name)) good = [`${name}compressed; the server looks inside.`];
      else [good, bad] = words(read(await chosen.text()), name);
      if (text.value.trim()) bad.push("There are both a file and pasted sequences: remove one of the two.");
    } else if (text.value.length > limit.upload) {
      bad = [`It is larger than ${said(Math.round(limit.upload / 2 ** 20))} MB, more than is allowed.`];
    } else [good, bad] = words(read(text.value), "");
    says.replaceChildren(...[["", good], ["warn", bad]].flatMap(([kind, list]) => list.map((line) => {
      const shown = document.createElement("p");
      shown.className = kind;
      shown.textContent = line;
      return shown;
    })));
    text.setAttribute("aria-invalid", String(bad.length > 0));
  }

  let timer;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, Math.min(200 + text.value.length / 5000, 1500));
  });
  file.addEventListener("change", check);
  noFile.addEventListener("click", () => { file.value = ""; check(); file.focus(); });
  document.getElementById("examples").hidden = false;
  document.querySelector(".drop-words").hidden = false;
  document.getElementById("clear").addEventListener("click", () => { text.value = ""; file.value = ""; check(); text.focus(); });
  for (const button of document.querySelectorAll("[data-example]")) {
    const name = button.dataset.example;
    button.addEventListener("click", () => {
      [text.value, file.value] = [document.getElementById(`example-${name}`).content.textContent, ""];
      form.querySelector(`[name=model][value="${CSS.escape(name)}"]`).checked = true;
      check();
    });
  }
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    file.files = event.dataTransfer.files;
    check();
  });
  form.addEventListener("submit", () => {
    const button = form.querySelector("button.main");
    button.textContent = "Sending...";
    addEventListener("pageshow", () => { button.textContent = "Predict"; }, { once: true }); // back again
  });
  document.getElementById("fault")?.focus();
  check();
}
