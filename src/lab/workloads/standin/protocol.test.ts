import assert from 'node:assert/strict';
import { test } from 'node:test';
import { standInPorts } from './ports.ts';
import { detectProtocol } from './protocol.ts';

const detect = (text: string): ReturnType<typeof detectProtocol> =>
  detectProtocol(Buffer.from(text, 'latin1'));

test('detectProtocol knows HTTP/1, HTTP/2, TLS and plain text by their first bytes', () => {
  assert.equal(detect('GET / HTTP/1.1\r\n'), 'http1');
  assert.equal(detect('OPTIONS * HTTP/1.1\r\n'), 'http1');
  assert.equal(detect('CONNECT a:1 HTTP/1.1\r\n'), 'http1');
  assert.equal(detect('PRI * HTTP/2.0\r\n\r\nSM'), 'http2');
  assert.equal(detect('\x16\x03\x01\x02'), 'tls');
  for (const text of [
    'hello',
    'HELO mail.example\r\n',
    'PING\r\n',
    'SET a b\r\n',
    '\x00\x00',
    'AUTH LOGIN plain',
  ])
    assert.equal(detect(text), 'text', text);
});

test('detectProtocol waits while bytes could still become HTTP', () => {
  for (const text of ['', 'G', 'GET', 'PRI', 'P', '\x16', 'OPTIONS *', 'CONNECT a:1'])
    assert.equal(detect(text), undefined, text);
});

test('standInPorts takes declared ports, else those of the image, and those its probes ask', () => {
  const ports = (container: object): string[] =>
    standInPorts({ name: 'c', ...container }).map(
      ({ port, protocol, waitsForClient }) => `${port}/${protocol}${waitsForClient ? ' waits' : ''}`,
    );
  assert.deepEqual(
    ports({
      image: 'nginx',
      ports: [{ containerPort: 6379 }, { containerPort: 53, protocol: 'UDP' }, { containerPort: 53 }],
    }),
    ['6379/TCP', '53/UDP', '53/TCP'],
  );
  assert.deepEqual(ports({ image: 'library/nginx:1@sha256:0' }), ['80/TCP waits']);
  assert.deepEqual(
    ports({
      image: 'own',
      readinessProbe: { grpc: { port: 9555 } },
      livenessProbe: { tcpSocket: { port: 'named' } },
    }),
    ['9555/TCP waits'],
  );
  assert.deepEqual(ports({ image: 'own', ports: [{ containerPort: 36_412, protocol: 'SCTP' }] }), []);
});
