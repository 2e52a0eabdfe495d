// The events of the row `typescript`: loads them by the client whose address stands in CLIENT, or writes them as lines into the
// file that is named.
import { writeFileSync } from "node:fs";

const { CLIENT, EVENTS, PLAYERS } = process.env;

async function* events() {
  for (let number = 0; number < Number(EVENTS); number++) {
    yield {
      externalId: `player_${String((number * 7919) % Number(PLAYERS)).padStart(7, "0")}`,
      eventType: "transaction",
      data: { type: "deposit", amount: (number % 100_000) / 100, currency: "EUR", method: "card", reference: `r-${number}` },
    };
  }
}

const [file] = process.argv.slice(2);
if (file) {
  const lines = [];
  for await (const event of events()) lines.push(JSON.stringify(event));
  writeFileSync(file, lines.join("\n"));
} else {
  const { Client } = await import(CLIENT);
  const report = await new Client().events.load(events(), { ordered: false });
  if (report.created !== Number(EVENTS)) throw new Error(`${report.created} events were created`);
}
