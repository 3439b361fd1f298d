import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createServer } from 'node:tls';
import dnsPacket from 'dns-packet';
import { TYPE } from '../wire/constants.ts';
import { readFrames, writeFrame } from '../wire/frame.ts';
import { nameKey } from '../wire/name.ts';
import type { Question } from './question.ts';
import { Upstream } from './upstream.ts';

const question: Question = {
  key: nameKey('some.example.org'),
  type: TYPE.A,
  dnssecOk: false,
  checkingDisabled: false,
};

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Signed by itself, for the name `dns.example` and 127.0.0.1; undefined without openssl. */
function makeCertificate(t: TestContext): Certificate | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-dot-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory, name));
  if (key === undefined || cert === undefined) return undefined;
  const options =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=dns.example';
  const names = ['-addext', 'subjectAltName=DNS:dns.example,IP:127.0.0.1'];
  try {
    execFileSync('openssl', [...options.split(' '), ...names, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
  } catch {
    t.skip('openssl is not installed');
    return undefined;
  }
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

async function serve(
  t: TestContext,
  certificate: Certificate,
): Promise<{ port: number; connections: number }> {
  const server = createServer({ ...certificate, ALPNProtocols: ['dot'] });
  const state = { port: 0, connections: 0 };
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket) => {
    state.connections += 1;
    socket.on('error', () => socket.destroy());
    readFrames(socket, (message) => {
      const { id = 0, questions = [] } = dnsPacket.decode(message);
      const name = questions[0]?.name ?? '';
      const answers = [{ type: 'A', name, ttl: 60, data: '192.0.2.80' } as const];
      socket.write(writeFrame(dnsPacket.encode({ type: 'response', id, questions, answers })));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  state.port = (server.address() as AddressInfo).port;
  return state;
}

test('Upstream asks over TLS, many questions over one connection, whoever has the certificate of its name', async (t) => {
  const certificate = makeCertificate(t);
  if (certificate === undefined) return;
  const server = await serve(t, certificate);
  const at = { address: '127.0.0.1', port: server.port, transport: 'tls' } as const;
  const upstream = new Upstream(at, { serverName: 'dns.example', ca: certificate.cert });
  t.after(() => upstream.close());
  const answers = await Promise.all([1, 2, 3].map(() => upstream.ask(question, 3000)));
  for (const answer of answers) assert.equal(dnsPacket.decode(answer).answers?.length, 1);
  assert.equal(server.connections, 1);
});

test('Upstream refuses a certificate of another name, and one that nobody vouches for', async (t) => {
  const certificate = makeCertificate(t);
  if (certificate === undefined) return;
  const server = await serve(t, certificate);
  const at = { address: '127.0.0.1', port: server.port, transport: 'tls' } as const;
  for (const options of [
    { serverName: 'other.example', ca: certificate.cert },
    { serverName: 'dns.example' },
  ]) {
    const upstream = new Upstream(at, options);
    t.after(() => upstream.close());
    await assert.rejects(upstream.ask(question, 3000), /altnames|self-signed|certificate/i);
  }
});
