"use strict"; // What makes the pages quicker: they work without it.
const root = document.body.dataset.root;
const said = (n) => n.toLocaleString("en");
const counted = (n, word) => `${said(n)} ${word}${n === 1 ? "" : "s"}`;

// --- the list of jobs, kept in this browser alone
const KEY = "sortilin-jobs";
const jobs = {
  all() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY)) || [];
      return found.filter((job) => job.expires * 1000 > Date.now() && /^[\w-]{22}$/.test(job.name));
    } catch { return []; /* storage is switched off, or holds something else */ }
  },
  keep(list) {
    try {
      if (list.length) localStorage.setItem(KEY, JSON.stringify(list.slice(0, 50)));
      else localStorage.removeItem(KEY);
    } catch { /* storage is switched off or full: the link is still on the page */ }
  },
  forget(name) { this.keep(this.all().filter((job) => job.name !== name)); },
  remember({ job: name, jobTitle: title, jobModel: model, jobN: n, jobExpires: expires }) {
    const others = this.all().filter((job) => job.name !== name);
    this.keep([{ name, title, model, n: Number(n), expires: Number(expires) }, ...others]);
  },
};

function showRecent(section) {
  const list = section.querySelector("ul");
  const found = jobs.all();
  section.hidden = !found.length;
  list.replaceChildren(...found.map((job) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${root}/jobs/${job.name}`;
    link.textContent = job.title || `${counted(job.n, "sequence")}, ${job.model}`;
    const until = document.createElement("span");
    until.className = "hint";
    until.textContent = `${job.title ? `${counted(job.n, "sequence")}, ${job.model}, ` : ""}kept until ${new Date(job.expires * 1000).toLocaleString()}`;
    const forget = Object.assign(document.createElement("button"), { className: "plain", type: "button", textContent: "Forget" });
    forget.setAttribute("aria-label", `Forget ${link.textContent}`);
    forget.addEventListener("click", () => { jobs.forget(job.name); showRecent(section); focusOn(section.hidden ? "text" : "recent-title"); });
    item.append(link, until, forget);
    return item;
  }));
}

function focusOn(id) {
  const target = document.getElementById(id);
  if (target.tabIndex < 0) target.tabIndex = -1; // a heading
  target.focus();
}

// --- buttons that copy
for (const button of document.querySelectorAll("[data-copy]")) {
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      button.textContent = "Copied";
    } catch { // not over plain http, or not allowed: select it instead
      if (source.select) source.select(); else getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = words; }, 3000);
  });
}

// --- a job that is not done
function follow(box, name) {
  const of = (id) => document.getElementById(id);
  let wait = 1000;
  const tell = (message) => {
    if (of("message").textContent !== message) of("message").textContent = message;
    of("message").hidden = !message;
  };
  const look = async () => {
    try {
      const answer = await fetch(`${root}/api/v1/jobs/${name}`, { cache: "no-store" });
      if (answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const job = await answer.json();
      if (job.status === "done" || job.status === "failed") return location.reload();
      if (box.dataset.status !== job.status) {
        box.dataset.status = job.status;
        of("state").textContent = { running: "Running", waiting: "Waiting" }[job.status];
        of("waiting").hidden = job.status === "running";
      }
      of("bar").value = job.n_done;
      of("done").textContent = said(job.n_done);
      let message = job.message;
      if (job.status === "waiting") {
        const health = await (await fetch(`${root}/api/v1/health`, { cache: "no-store" })).json();
        of("n-waiting").textContent = counted(Math.max(health.waiting, 1), "job");
        if (health.queue === "down") message ||= "The queue cannot be reached at the moment. The job is kept and is begun when the queue is back.";
      }
      tell(message);
      wait = 1000;
    } catch {
      tell("The server does not answer at the moment. The job is kept; this page asks again.");
      wait = Math.min(wait * 2, 10000);
    }
    setTimeout(look, wait);
  };
  setTimeout(look, 500);
}

// --- the table of a result, without a new page
function quicken(filters) {
  const rows = () => document.getElementById("rows");
  let [turn, timer] = [0, 0];
  const show = async (address, { push = true, focus = "" } = {}) => {
    const mine = ++turn;
    rows().classList.add("busy");
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== turn) return;
      const [fresh, form] = [page.getElementById("rows"), page.getElementById("filters")];
      rows().replaceWith(fresh);
      for (const field of form.elements) {
        const shown = field.name && filters.elements[field.name];
        if (!shown || shown === document.activeElement) continue;
        if (field.type === "checkbox") shown.checked = field.checked;
        else shown.value = field.value;
      }
      document.getElementById("found-live").textContent = document.getElementById("found").textContent;
      if (push) history.pushState(null, "", address);
      const target = focus && (document.getElementById(focus) ? focus : fresh.querySelector(".pages a")?.id);
      if (target) focusOn(target);
    } catch {
      location.assign(address);
    }
  };
  const address = () => {
    const values = new URLSearchParams(new FormData(filters));
    for (const [name, value] of [...values]) {
      if (!value || (name === "sort" && value === "position")) values.delete(name);
    }
    return `${location.pathname}?${values}`;
  };
  filters.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); show(address()); });
  filters.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => show(address()), event.target.type === "search" ? 300 : 0);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#rows thead a, #rows .pages a, #show-all");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    show(link.href, { focus: link.id === "show-all" ? "rows-title" : link.id });
  });
  addEventListener("popstate", () => show(location.href, { push: false }));
}

const here = document.body.dataset;
if (here.job) jobs.remember(here);
if (here.deleted) jobs.forget(here.deleted);
const recent = document.getElementById("recent");
if (recent) {
  showRecent(recent);
  document.getElementById("forget-all").addEventListener("click", () => { jobs.keep([]); showRecent(recent); focusOn("text"); });
}
const [progress, filters] = [document.getElementById("progress"), document.getElementById("filters")];
if (progress) follow(progress, here.job);
if (filters) quicken(filters);
