import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { inClusterAccess, loadKubeconfig, parseKubeconfig } from './kubeconfig.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const config = (user: string, cluster = 'server: https://10.0.0.1:6443'): string => `
apiVersion: v1
kind: Config
current-context: main
contexts:
  - {name: main, context: {cluster: c, user: u, namespace: shop}}
  - {name: bare, context: {cluster: c}}
clusters:
  - {name: c, cluster: {${cluster}}}
users:
  - {name: u, user: {${user}}}
`;

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'podnet-kubeconfig-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('parseKubeconfig reads inline certificates', () => {
  const text = config(
    `client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}`,
    `server: "https://[fd00::1]:6443", certificate-authority-data: ${base64('CA')}, tls-server-name: kubernetes`,
  );
  assert.deepEqual(parseKubeconfig(text, { path: 'k' }), {
    server: 'https://[fd00::1]:6443',
    ca: 'CA',
    cert: 'CERT',
    key: 'KEY',
    serverName: 'kubernetes',
    namespace: 'shop',
  });
});

test('parseKubeconfig reads JSON, and YAML that starts with a brace', () => {
  const text =
    '{current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "http://h"}}]}';
  const expected = { server: 'http://h', namespace: 'default' };
  assert.deepEqual(parseKubeconfig(text, { path: 'k' }), expected);
  const json = text.replaceAll(/[a-z-]+(?=:(?! ?\/))/g, '"$&"').replaceAll(/: ([a-z]+)/g, ': "$1"');
  assert.deepEqual(parseKubeconfig(json.replace('""http"', '"http'), { path: 'k' }), expected);
});

test('loadKubeconfig reads files relative to the kubeconfig', (t) => {
  const path = directory(t);
  writeFileSync(join(path, 'ca.pem'), 'CA');
  writeFileSync(
    join(path, 'config'),
    config('tokenFile: token', 'server: https://h, certificate-authority: ca.pem'),
  );
  assert.deepEqual(loadKubeconfig(join(path, 'config')), {
    server: 'https://h',
    ca: 'CA',
    tokenFile: join(path, 'token'),
    namespace: 'shop',
  });
});

test('parseKubeconfig reads another context when told, tokens, passwords and insecure servers', () => {
  const text = config('token: secret', 'server: https://h, insecure-skip-tls-verify: true');
  assert.equal(parseKubeconfig(text, { path: 'k' }).token, 'secret');
  assert.equal(parseKubeconfig(text, { path: 'k' }).insecureSkipTlsVerify, true);
  assert.deepEqual(parseKubeconfig(text, { path: 'k', context: 'bare' }), {
    server: 'https://h',
    insecureSkipTlsVerify: true,
    namespace: 'default',
  });
  const basic = parseKubeconfig(config('username: a, password: b'), { path: 'k' });
  assert.deepEqual(basic.basic, { username: 'a', password: 'b' });
});

const wrong: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ['no YAML', '{', /the kubeconfig k is not YAML/],
  ['an empty file', '', /k: current-context is not set/],
  ['an unknown context', 'current-context: x', /contexts has no entry named "x"; it has: none/],
  ['no server', config('token: a', 'a: b'), /clusters\[c\]\.server is not a URL: absent/],
  [
    'a server that is no URL',
    config('token: a', 'server: localhost:8080'),
    /server is not a URL: localhost:8080/,
  ],
  ['what is not base64', config('client-key-data: "-----BEGIN KEY"'), /client-key-data is not base64/],
  ['an exec plugin', config('exec: {command: aws}'), /users\[u\]\.exec is not supported/],
  ['impersonation', config('as: root'), /users\[u\]\.as is not supported/],
  ['a proxy', config('token: a', 'server: https://h, proxy-url: http://p'), /proxy-url is not supported/],
  ['a missing file', config('client-key: /nowhere/key'), /cannot read the client-key/],
];

for (const [what, text, message] of wrong)
  test(`parseKubeconfig refuses ${what} and says where`, () => {
    assert.throws(
      () => parseKubeconfig(text, { path: 'k' }),
      (error) => {
        assert.ok(error instanceof PodnetError);
        assert.match(error.message, message);
        assert.ok(error.where && error.fix);
        return true;
      },
    );
  });

test('loadKubeconfig of a file that is not there is a PodnetError', () => {
  assert.throws(() => loadKubeconfig('/nowhere/config'), {
    code: 'kubeconfig-unreadable',
    where: '/nowhere/config',
  });
});

test('inClusterAccess reads the service account of a pod', (t) => {
  const path = directory(t);
  writeFileSync(join(path, 'ca.crt'), 'CA');
  writeFileSync(join(path, 'namespace'), 'kube-system\n');
  const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  assert.deepEqual(inClusterAccess(path, environment), {
    server: 'https://[fd00::1]:443',
    ca: 'CA',
    tokenFile: join(path, 'token'),
    namespace: 'kube-system',
  });
  assert.throws(() => inClusterAccess(path, {}), { code: 'kubeconfig-missing' });
});
