import { type Netns, withNetns } from '../../../src/kernel/netns.ts';
import { spawn } from 'node:child_process';

export interface Outcome {
  /** What the other side said. */
  readonly answer?: string;
  /** The errno's name, or `timeout`. */
  readonly error?: string;
  readonly elapsedMs: number;
}

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly protocol?: 'tcp' | 'udp';
  /** How many connections, one after another, each from a port of its own. */
  readonly count?: number;
}

/** Runs in a process of its own, which lives in the client's namespace. */
const CLIENT = `
const [address, port, protocol, count, firstPort] = process.argv.slice(1);
const { connect } = require('node:net');
const { createSocket } = require('node:dgram');
const overTcp = () => new Promise((done) => {
  let answer = '';
  const socket = connect({ host: address, port: Number(port), timeout: 3000 });
  socket.on('data', (data) => { answer += data; });
  socket.on('end', () => done({ answer }));
  socket.on('error', (error) => done({ error: error.code }));
  socket.on('timeout', () => { socket.destroy(); done({ error: 'timeout' }); });
});
const overUdp = (ownPort) => new Promise((done) => {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const finish = (outcome) => { clearTimeout(timer); socket.close(); done(outcome); };
  const timer = setTimeout(() => finish({ error: 'timeout' }), 3000);
  socket.on('error', (error) => finish({ error: error.code }));
  socket.on('message', (message) => finish({ answer: String(message) }));
  socket.bind(ownPort, () =>
    socket.connect(Number(port), address, (error) => error ? finish({ error: error.code }) : socket.send('?')));
});
(async () => {
  const outcomes = [];
  for (let i = 0; i < Number(count); i++) {
    const start = performance.now();
    const outcome = await (protocol === 'udp' ? overUdp(Number(firstPort) + i) : overTcp());
    outcomes.push({ ...outcome, elapsedMs: performance.now() - start });
  }
  console.log(JSON.stringify(outcomes));
})();
`;

/** A UDP flow that comes from a port again is no new one to the kernel, which would keep its endpoint. */
let nextUdpPort = 20_000;

/** Connects from within a namespace and tells what came of each connection. */
export async function connect(
  from: Netns,
  { address, port, protocol = 'tcp', count = 1 }: Target,
): Promise<Outcome[]> {
  const args = ['-e', CLIENT, '--', address, String(port), protocol, String(count), String(nextUdpPort)];
  nextUdpPort += count;
  const child = withNetns(from, () =>
    spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  return JSON.parse(text) as Outcome[];
}
