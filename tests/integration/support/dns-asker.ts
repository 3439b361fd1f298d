/**
 * Asks one name again and again, from many ports. Prints what became of it when told to end, by a line on stdin.
 *
 *     dns-asker.ts ADDRESS NAME udp|resolver|tcp|flood QUESTIONS_A_SECOND
 *
 * `resolver` asks a second time after half a second, as resolvers do (after five seconds); `udp` and `tcp` ask once.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { openDatagramSocket, socketAddress } from '../../../src/kernel/datagram-socket.ts';
import { encodeMessage } from '../../../src/dns/wire/message.ts';

export interface Asked {
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  /** Milliseconds of the slowest twentieth's fastest. */
  readonly p95Ms: number;
}

const [address = '', name = '', mode = 'udp', rate = '100'] = process.argv.slice(2);
const PORTS = 64;
/** A question without an answer for this long is lost. */
const PATIENCE_MS = 3000;

const question = encodeMessage({
  id: 0,
  flags: 0x100,
  questions: [{ name, type: 1 }],
  answers: [],
  authority: [],
  additional: [],
});
const sentAt = new Map<number, number>();
const times: number[] = [];
let sent = 0;
let stopping = false;

function settle(id: number): void {
  const at = sentAt.get(id);
  if (at === undefined) return;
  sentAt.delete(id);
  times.push(performance.now() - at);
}

function next(): { id: number; message: Buffer } {
  const id = sent++ & 0xffff;
  const message = Buffer.from(question);
  message.writeUInt16BE(id, 0);
  sentAt.set(id, performance.now());
  return { id, message };
}

function askUdp(): () => void {
  const sockets = Array.from({ length: PORTS }, () => {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
    return socket.on('message', (message) => settle(message.readUInt16BE(0))).on('error', () => undefined);
  });
  return () => {
    const { id, message } = next();
    const send = (): void => sockets[id % PORTS]?.send(message, 53, address);
    send();
    if (mode === 'resolver') setTimeout(() => sentAt.has(id) && send(), 500);
  };
}

function askTcp(): () => void {
  return () => {
    const { id, message } = next();
    const socket = connect(53, address).on('error', () => undefined);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
    socket.on('data', () => {
      settle(id);
      socket.destroy();
    });
  };
}

/** As fast as it goes, deaf to answers. */
function flood(): void {
  const socket = openDatagramSocket({
    address: '0.0.0.0',
    port: 0,
    answer: () => 0,
    onError: () => undefined,
  });
  const peer = socketAddress(address, 53);
  const more = (): void => {
    for (let count = 0; count < 500; count++) socket.send(question, peer);
    sent += 500;
    if (stopping) finish();
    else setImmediate(more);
  };
  more();
}

function finish(): void {
  const answered = times.length;
  times.sort((a, b) => a - b);
  const asked: Asked = {
    sent,
    answered,
    lost: sentAt.size,
    p95Ms: times[Math.floor(answered * 0.95)] ?? Infinity,
  };
  process.stdout.write(`${JSON.stringify(asked)}\n`, () => process.exit(0));
}

process.stdin.once('data', () => {
  stopping = true;
});
if (mode === 'flood') flood();
else {
  const ask = mode === 'tcp' ? askTcp() : askUdp();
  const started = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - started) * Number(rate)) / 1000;
    for (let count = stopping ? 0 : Math.floor(due) - sent; count > 0; count--) ask();
    const [oldest] = sentAt.values();
    if (!stopping || (oldest !== undefined && performance.now() - oldest < PATIENCE_MS)) return;
    clearInterval(timer);
    finish();
  }, 2);
}
process.stdout.write('started\n');
