/** Server-sent events from a streamed response: `{event, data}` each, as the HTML standard has it. */

export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const lines = splitter();
  let name = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      for (const line of lines(value)) {
        if (line === "") {
          if (data.length) yield { event: name || "message", data: data.join("\n") };
          [name, data] = ["", []];
        } else if (line.startsWith("data:")) data.push(field(line, 5));
        else if (line.startsWith("event:")) name = field(line, 6);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const field = (line, from) => (line[from] === " " ? line.slice(from + 1) : line.slice(from));

/** Lines end with CR, LF or both, also where a chunk ends between the two. */
export function splitter() {
  let rest = "";
  return (chunk) => {
    rest += chunk;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    return lines;
  };
}
