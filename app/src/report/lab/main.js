// Last of all: texts into the page, rooms built, keys.

document.title = TEXTS.title;
document.querySelectorAll("[data-text]").forEach((element) => { element.textContent = TEXTS[element.dataset.text]; });
document.querySelectorAll("[data-label]").forEach((element) => element.setAttribute("aria-label", TEXTS[element.dataset.label]));

for (const { name, section, build } of rooms) {
  const tab = make("button", { id: `tab-${name}`, role: "tab", "aria-controls": section.id }, TEXTS.rooms[name]);
  tab.addEventListener("click", () => openRoom(name));
  byId("tabs").append(tab);
  section.setAttribute("aria-labelledby", tab.id);
  byId("rooms").append(section);
  build(section);
}
byId("rooms").append(make("p", { className: "note" }, data.licence));
byId("tabs").setAttribute("aria-label", TEXTS.title);
buildSource();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.getAttribute("role") === "tab" && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const place = rooms.indexOf(room) + (event.key === "ArrowRight" ? 1 : rooms.length - 1);
    openRoom(rooms[place % rooms.length].name);
    byId(`tab-${room.name}`).focus();
    return;
  }
  if (event.target.matches("input, select, textarea, button, summary") || byId("transport").hidden) return;
  const last = state.view.frames - 1;
  if (event.shiftKey && ["ArrowUp", "ArrowDown"].includes(event.key)) {
    const step = event.key === "ArrowUp" ? -1 : 1;
    moveTo({ unit: now.unit + step, column: now.column + step });
    event.preventDefault();
    return;
  }
  const moves = { ArrowLeft: now.t - 1, ArrowRight: now.t + 1, Home: 0, End: last, PageUp: now.t - 10, PageDown: now.t + 10 };
  if (event.key in moves) moveTo({ t: moves[event.key] });
  else if (event.key === " ") togglePlay();
  else return;
  event.preventDefault();
});

useExample();
moveTo({ t: Number(address.get("t") ?? state.view.frames - 1), lstm: Number(address.get("lstm") ?? state.view.units.length) - 1, unit: Number(address.get("unit") ?? 0) });
openRoom(address.get("room") ?? "listen");
