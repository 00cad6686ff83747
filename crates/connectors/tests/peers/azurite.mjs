// Azure Blob as its makers' emulator (Azurite) knows it, with one container; prints its port.
//
// Arguments: the folder that Azurite is installed in, the name of the container. Requests must be
// signed with the account and key that every emulator has.
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";

const [folder, container] = process.argv.slice(2);
const account = "devstoreaccount1";
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

async function create(port) {
  const date = new Date().toUTCString();
  const path = `/${account}/${container}`;
  const text =
    `PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:${date}\nx-ms-version:2021-06-08\n` +
    `/${account}${path}\nrestype:container`;
  const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
  const answer = await fetch(`http://127.0.0.1:${port}${path}?restype=container`, {
    method: "PUT",
    headers: {
      "x-ms-date": date,
      "x-ms-version": "2021-06-08",
      authorization: `SharedKey ${account}:${signature}`,
    },
  });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  process.stdout.write(`${port}\n`);
}

console.log = (line) => {
  const port = /successfully listen\w* (?:on|at) http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
  if (port) create(port);
};
process.argv.splice(
  2,
  process.argv.length,
  ...["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent",
    "--disableTelemetry"],
);
createRequire(`${folder}/`)("azurite/dist/src/blob/main.js");
