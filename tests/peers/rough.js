// A server that is a program, and misbehaves as it is told to. It needs nothing beside Node.
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");

const NAMES = ["echo", "env", "pid", "slow", "ask", "net", "write", "fork", "crash", "garbage",
  "long", "flood", "noise", "hang", "deaf", "heard"];
const heard = [];
const asked = new Map();
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const text = (value) => ({ content: [{ type: "text", text: String(value) }] });

const reach = () => new Promise((done) => {
  const socket = net.connect(80, "1.1.1.1", () => done("reached"));
  socket.setTimeout(2000, () => done("timeout"));
  socket.on("error", (error) => done(error.code));
});
const write = () => {
  try {
    fs.writeFileSync("written.txt", "x");
    return "written";
  } catch (error) {
    return error.code;
  }
};
const ask = () => new Promise((done) => {
  asked.set("q1", (answer) => done(answer.result ? answer.result.content.color : "refused"));
  const schema = { type: "object", properties: { color: { type: "string" } }, required: ["color"] };
  say({ id: "q1", method: "elicitation/create", params: { message: "?", requestedSchema: schema } });
});
const hurl = (block) => {
  try {
    return fs.writeSync(1, block);
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
    return 0;
  }
};
const flood = () => {
  const params = { level: "info", data: "x".repeat(200) };
  const line = JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params }) + "\n";
  for (;;) hurl(line);
};
const long = () => {
  const block = "x".repeat(1 << 16);
  for (let sent = 0; sent < 100 << 20; sent += hurl(block));
};

async function call({ name, arguments: given = {}, _meta: meta = {} }) {
  switch (name) {
    case "echo": return text(given.text);
    case "env": return text(process.env.TOKEN);
    case "pid": return text(`${os.hostname()} ${process.pid} ${process.hrtime.bigint()}`);
    case "slow":
      for (const step of [1, 2, 3]) {
        say({ method: "notifications/progress",
          params: { progressToken: meta.progressToken, progress: step } });
        await new Promise((done) => setTimeout(done, 30));
      }
      return text("done");
    case "ask": return text(await ask());
    case "net": return text(await reach());
    case "write": return text(write());
    case "fork":
      for (let each = 0; each < 400; each += 1) {
        spawn("sleep", ["1000"], { detached: true, stdio: "inherit" }).on("error", () => {});
      }
      return text("forked");
    case "crash": return process.exit(3);
    case "garbage": return process.stdout.write("this is no message\n");
    case "long": return long();
    case "flood": return flood();
    case "noise":
      for (let each = 0; each < 200; each += 1) process.stderr.write("y".repeat(65536));
      return text("said");
    case "hang": return new Promise(() => {});
    case "deaf": process.stdin.pause(); return text("deaf");
    case "heard": return text(JSON.stringify(heard));
  }
}

async function answer({ id, method, params = {} }) {
  if (method === "initialize") {
    return say({ id, result: { protocolVersion: params.protocolVersion,
      capabilities: { tools: {}, logging: {} }, serverInfo: { name: "rough", version: "1" } } });
  }
  if (method === "tools/list") {
    const tools = NAMES.map((name) => ({ name, inputSchema: { type: "object" } }));
    return say({ id, result: { tools } });
  }
  if (method !== "tools/call") {
    return say({ id, error: { code: -32601, message: "Method not found" } });
  }
  const result = await call(params);
  if (typeof result === "object") say({ id, result });
}

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (data) => {
  const lines = (rest + data).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const message = JSON.parse(line);
    if (!message.method) asked.get(message.id)?.(message);
    else if (message.id === undefined) heard.push(message.method);
    else answer(message);
  }
});
process.stdin.on("end", () => process.exit(0));
