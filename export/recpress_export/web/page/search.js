// A text field that finds one of many names: the combobox of the ARIA practices.

const MOST = 40; // names that are listed at once

const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** A search among `count` names: those that begin with the words, then those that hold all of them. */
export function searchIn(count, textOf) {
	let texts = null;
	return (words) => {
		texts ??= Array.from({ length: count }, (_, index) => folded(textOf(index)));
		const whole = folded(words).trim();
		const parts = whole.split(/\s+/);
		const first = [];
		const rest = [];
		let total = 0;
		for (let index = 0; index < count; index++) {
			const text = texts[index];
			if (!parts.every((part) => text.includes(part))) continue;
			total++;
			if (first.length < MOST && text.startsWith(whole)) first.push(index);
			else if (rest.length < MOST) rest.push(index);
		}
		return { found: [...first, ...rest].slice(0, MOST), total };
	};
}

export class Combobox {
	constructor(input, list, search, label, choose) {
		Object.assign(this, { input, list, search, label, choose, found: [], at: -1 });
		input.addEventListener("input", () => this.open());
		input.addEventListener("focus", () => input.select());
		input.addEventListener("click", () => this.open(""));
		input.addEventListener("blur", () => this.close());
		input.addEventListener("keydown", (event) => this.key(event));
		list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
		list.addEventListener("click", (event) => {
			const option = event.target.closest("[role=option]");
			if (option) this.take([...list.children].indexOf(option));
		});
	}

	open(words = this.input.value) {
		const { found, total } = this.search(words);
		this.found = found;
		const options = found.map((index, at) => {
			const option = document.createElement("li");
			option.id = `${this.list.id}-${at}`;
			option.setAttribute("role", "option");
			option.append(...this.label(index));
			return option;
		});
		if (total > found.length || !total) {
			const more = document.createElement("li");
			more.setAttribute("role", "presentation");
			more.textContent = total ? `and ${(total - found.length).toLocaleString("en")} more: type to find them` : "nothing found";
			options.push(more);
		}
		this.list.replaceChildren(...options);
		this.list.hidden = false;
		this.input.setAttribute("aria-expanded", "true");
		this.mark(words.trim() && found.length ? 0 : -1);
	}

	close() {
		this.list.hidden = true;
		this.found = [];
		this.input.setAttribute("aria-expanded", "false");
		this.mark(-1);
	}

	mark(at) {
		this.list.children[this.at]?.removeAttribute("aria-selected");
		this.at = at;
		const option = this.list.children[at];
		option?.setAttribute("aria-selected", "true");
		option?.scrollIntoView({ block: "nearest" });
		option ? this.input.setAttribute("aria-activedescendant", option.id) : this.input.removeAttribute("aria-activedescendant");
	}

	take(at) {
		const index = this.found[at];
		this.close();
		if (index !== undefined) this.choose(index);
	}

	key(event) {
		const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
		if (step) {
			if (this.list.hidden) this.open("");
			const count = this.found.length;
			this.mark(count ? (Math.max(this.at, step < 0 ? 0 : -1) + step + count) % count : -1);
		} else if (event.key === "Enter" && this.at >= 0) this.take(this.at);
		else if (event.key === "Escape") this.close();
		else return;
		event.preventDefault();
	}
}
