/**
 * A process of its own, started in some namespace: connects again and again, also while the test's process is busy.
 * Arguments: address, port. Writes `ready` at its first connection; at the end of its input it writes JSON
 * (`ConnectOftenResult`) and exits.
 */
import { connect } from 'node:net';

export interface ConnectOftenResult {
  readonly connected: number;
  /** The errors' names. */
  readonly failures: readonly string[];
}

/** So that a server that is busy for a second still has room for all of them. */
const INTERVAL_MS = 4;

const [, , host = '', port = ''] = process.argv;
const failures: string[] = [];
let connected = 0;
let open = 0;
let isEnding = false;

function finish(): void {
  if (!isEnding || open > 0) return;
  process.stdout.write(`${JSON.stringify({ connected, failures } satisfies ConnectOftenResult)}\n`);
  process.exit();
}

const timer = setInterval(() => {
  open += 1;
  const socket = connect({ host, port: Number(port) });
  const limit = setTimeout(() => socket.destroy(new Error('timeout')), 3000);
  socket.once('connect', () => {
    if (connected++ === 0) process.stdout.write('ready\n');
    socket.destroy();
  });
  socket.once('error', (error) => failures.push('code' in error ? String(error.code) : error.message));
  socket.once('close', () => {
    clearTimeout(limit);
    open -= 1;
    finish();
  });
}, INTERVAL_MS);
process.stdin.resume();
process.stdin.once('end', () => {
  isEnding = true;
  clearInterval(timer);
  finish();
});
