/**
 * Lives in one namespace and connects from there. Reads a line of JSON for each connection (`Attempt`) and writes one
 * of what came of it (`Outcome`), in any order.
 */
import { createInterface } from 'node:readline';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

export interface Attempt {
  readonly id: number;
  /** The client's own address. */
  readonly from: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly timeoutMs: number;
}

export interface Outcome {
  readonly id: number;
  /** What the server said. */
  readonly answer?: string;
  /** The errno's name, or `timeout`. */
  readonly error?: string;
}

function overTcp({ from, address, port, timeoutMs }: Attempt): Promise<Omit<Outcome, 'id'>> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host: address, port, localAddress: from });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve({ error: 'timeout' });
    }, timeoutMs);
    const finish = (outcome: Omit<Outcome, 'id'>): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('end', () => finish({ answer }));
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? error.message }));
  });
}

/**
 * Each question from a port of its own: a flow that conntrack still knows would go to the endpoint of its first
 * packet, whatever the Service says by now.
 */
let lastUdpPort = 10_000;

function overUdp({ from, address, port, timeoutMs }: Attempt): Promise<Omit<Outcome, 'id'>> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const finish = (outcome: Omit<Outcome, 'id'>): void => {
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish({ error: 'timeout' }), timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? error.message }));
    socket.on('message', (message) => finish({ answer: String(message) }));
    lastUdpPort += 1;
    socket.bind(lastUdpPort, from, () => {
      socket.connect(port, address, (error?: NodeJS.ErrnoException) => {
        if (error) finish({ error: error.code ?? error.message });
        else socket.send('?');
      });
    });
  });
}

if (process.argv[1] === import.meta.filename) {
  createInterface({ input: process.stdin }).on('line', (line) => {
    void attemptOne(JSON.parse(line) as Attempt);
  });
}

async function attemptOne(attempt: Attempt): Promise<void> {
  const outcome = await (attempt.protocol === 'tcp' ? overTcp(attempt) : overUdp(attempt));
  process.stdout.write(`${JSON.stringify({ id: attempt.id, ...outcome })}\n`);
}
