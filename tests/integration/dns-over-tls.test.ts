/** Upstreams over TLS (RFC 7858): the name of the certificate counts, and one connection serves many questions. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createServer } from 'node:tls';
import { readFrames, writeFrame } from '../../src/dns/wire/frame.ts';
import { createPki } from '../../src/lab/apiserver/pki.ts';
import { askPacket } from '../conformance/dns/clients.ts';
import { scene, serverAddresses } from '../conformance/dns/scene.ts';
import { answerOf } from '../conformance/dns/upstream.ts';
import { addLocalAddresses, startDnsCluster, type DnsCluster } from '../support/dns-cluster.ts';

const [server] = serverAddresses;
const upstreamAddress = '10.96.0.62';

function corefile(serverName: string): string {
  return `.:53 {
    forward . tls://${upstreamAddress} {
        tls /etc/ssl/podnet-test.pem
        tls_servername ${serverName}
    }
}
`;
}

describe('forward over TLS', () => {
  const pki = createPki({ hosts: ['dns.test', upstreamAddress] });
  const questions: string[] = [];
  let connections = 0;
  const upstream = createServer({ cert: pki.server.certificate, key: pki.server.key }, (socket) => {
    connections += 1;
    socket.on('error', () => socket.destroy());
    readFrames(
      socket,
      (message) => {
        const { question, answer } = answerOf(message);
        questions.push(question);
        socket.write(writeFrame(answer));
      },
      4096,
    );
  });

  before(async () => {
    addLocalAddresses([upstreamAddress, server]);
    // In the mount namespace of the tests: the machine's own stays as it is.
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/etc/ssl']);
    writeFileSync('/etc/ssl/podnet-test.pem', pki.ca);
    upstream.on('tlsClientError', () => {});
    upstream.listen(853, upstreamAddress);
    await once(upstream, 'listening');
  });
  after(() => {
    upstream.close();
    execFileSync('umount', ['/etc/ssl']);
  });

  const start = (serverName: string): Promise<DnsCluster> =>
    startDnsCluster({ ...scene, addresses: [server], corefile: corefile(serverName) });

  test('asks many questions over one connection', async () => {
    const cluster = await start('dns.test');
    try {
      for (const name of ['a.example', 'b.example', 'c.example'])
        assert.deepEqual(await askPacket(server, { name, type: 'A' }), ['192.0.2.80']);
      assert.equal(await askPacket(server, { name: 'gone.example', type: 'A' }), 'NXDOMAIN');
      assert.ok(questions.includes('a.example A') && questions.includes('gone.example A'));
      assert.equal(connections, 1);
    } finally {
      await cluster.stop();
    }
  });

  test('asks nothing of a server with the certificate of another', async () => {
    const asked = questions.length;
    const cluster = await start('other.test');
    try {
      assert.equal(await askPacket(server, { name: 'secret.example', type: 'A' }), 'SERVFAIL');
      assert.equal(questions.length, asked);
    } finally {
      await cluster.stop();
    }
  });
});
