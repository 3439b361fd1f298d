import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';

import { createPki, kubeconfig } from './pki.ts';

const pki = createPki({ hosts: ['127.0.0.1', 'fd00::1', 'localhost', 'kubernetes.default.svc'] });
const authority = new X509Certificate(pki.ca);

test('the authority signs itself and may sign others', () => {
  assert.ok(authority.ca);
  assert.ok(authority.verify(authority.publicKey));
  assert.equal(authority.subject, 'CN=podnet-ca');
});

test('the server certificate is good for its hosts and no others', () => {
  const server = new X509Certificate(pki.server.certificate);
  assert.ok(server.checkIssued(authority) && server.verify(authority.publicKey));
  assert.ok(server.checkPrivateKey(createPrivateKey(pki.server.key)));
  for (const host of ['localhost', 'kubernetes.default.svc']) assert.equal(server.checkHost(host), host);
  for (const address of ['127.0.0.1', 'fd00::1']) assert.equal(server.checkIP(address), address);
  assert.equal(server.checkHost('example.com'), undefined);
  assert.equal(server.checkIP('10.0.0.1'), undefined);
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
});

test('issue puts the user in CN and the groups in O', () => {
  const { certificate, key } = pki.issue({ commonName: 'jürgen', organizations: ['dev', 'ops'] });
  const client = new X509Certificate(certificate);
  assert.deepEqual(client.subject.split('\n'), ['O=dev', 'O=ops', 'CN=jürgen']);
  assert.deepEqual(client.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.ok(client.checkIssued(authority) && client.verify(authority.publicKey) && !client.ca);
  assert.ok(client.checkPrivateKey(createPrivateKey(key)));
});

test('serial numbers are positive and differ; validity covers now, for years', () => {
  const [a, b] = [pki.issue({ commonName: 'a' }), pki.issue({ commonName: 'a' })].map(
    ({ certificate }) => new X509Certificate(certificate),
  );
  assert.ok(a && b && a.serialNumber !== b.serialNumber);
  assert.ok(a.validFromDate.getTime() <= Date.now());
  assert.ok(a.validToDate.getTime() > Date.now() + 365 * 24 * 3600 * 1000);
  const late = createPki({ hosts: [], validityMs: 40 * 365 * 24 * 3600 * 1000 });
  assert.ok(new X509Certificate(late.ca).validToDate.getUTCFullYear() >= 2050);
});

test('kubeconfig holds everything inline', () => {
  const credential = pki.issue({ commonName: 'admin' });
  const config = JSON.parse(
    kubeconfig({ server: 'https://127.0.0.1:1', ca: pki.ca, name: 'lab', credential }),
  ) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const decode = (text = ''): string => Buffer.from(text, 'base64').toString('utf8');
  assert.equal(decode(config.clusters[0]?.cluster['certificate-authority-data']), pki.ca);
  assert.equal(decode(config.users[0]?.user['client-key-data']), credential.key);
});
