// Perfetto's trace processor outside of a browser: the worker in which its viewer runs it, with what that asks a browser
// for. Requests come on standard input and answers go to standard output, as TraceProcessorRpcStream.
//
//     node tests/perfetto_processor.js FOLDER <requests >answers
//
// FOLDER has the worker, engine_bundle.js, and the .wasm files that it loads.
"use strict";

const { webcrypto } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const folder = process.argv[2];

class XMLHttpRequest {
  open(method, name) {
    this.path = path.join(folder, path.basename(name));
  }

  send() {
    this.response = fs.readFileSync(this.path);
  }
}

const worker = {
  // One kind of them inside and outside: the worker asks what it is given for its class.
  Uint8Array,
  XMLHttpRequest,
  URL,
  TextDecoder,
  performance,
  crypto: webcrypto,
  setTimeout,
  // Standard output is for answers.
  console: { log: console.error, warn: console.error, error: console.error },
  WorkerGlobalScope: Object,
  location: { href: "" },
};
worker.self = worker;
vm.createContext(worker);
vm.runInContext(fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8"), worker);

const port = { postMessage: (answer) => fs.writeFileSync(1, answer) };
worker.onmessage({ data: port });
// What the worker has still to do before it takes requests are microtasks, which are over by then.
setTimeout(() => port.onmessage({ data: new Uint8Array(fs.readFileSync(0)) }), 0);
