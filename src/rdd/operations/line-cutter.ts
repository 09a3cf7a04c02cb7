// Lines out of pieces of text that come one after the other. "\n" and "\r\n" end a line; after the last end there is no
// empty line. A line that comes in many pieces is looked through once.

export class LineCutter {
  #open: string[] = [];

  push(text: string): string[] {
    const last = text.lastIndexOf("\n");
    if (last < 0) {
      if (text !== "") this.#open.push(text);
      return [];
    }
    const whole = this.#open.length === 0 ? text.slice(0, last) : this.#open.join("") + text.slice(0, last);
    this.#open = last + 1 < text.length ? [text.slice(last + 1)] : [];
    const lines = whole.split("\n");
    if (whole.includes("\r")) return lines.map(withoutReturn);
    return lines;
  }

  /** The line that nothing has ended, if there is one. */
  end(): string[] {
    const rest = this.#open.join("");
    this.#open = [];
    return rest === "" ? [] : [rest];
  }
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
