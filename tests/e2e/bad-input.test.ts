import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { podnetPath, run, whyNoCluster, type Finished } from './support/cluster.ts';

const skip = whyNoCluster() ?? false;
const folder = mkdtempSync(join(tmpdir(), 'podnet-bad-'));
const name = `bad-${process.pid}`;
after(() => rmSync(folder, { recursive: true }));

async function up(text: string, ...more: readonly string[]): Promise<Finished> {
  writeFileSync(join(folder, 'app.yaml'), text);
  const result = await run(podnetPath, [
    'up',
    '-d',
    '--name',
    name,
    '--nodes',
    '1',
    '--timeout',
    '20',
    '-f',
    join(folder, 'app.yaml'),
    ...more,
  ]);
  await run(podnetPath, ['down', '--name', name]);
  return { ...result, stderr: result.stderr.replaceAll(`${folder}/`, '') };
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: example/web
          ports: [{ containerPort: 8080 }]
`;

const nothingStarts: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  [
    'a syntax error',
    'apiVersion: v1\nkind: Pod\n  metadata: [\n',
    /The YAML is not valid.*\n {2}where: app\.yaml:2/,
  ],
  [
    'a missing kind',
    'apiVersion: v1\nmetadata: { name: a }\n',
    /kind is missing\n {2}where: app\.yaml:1\n {2}fix: /,
  ],
  ['a missing name', 'apiVersion: v1\nkind: Pod\n', /metadata\.name is missing/],
  [
    'a name written twice',
    `${web}---\n${web}`,
    /Deployment web is written twice, first at app\.yaml:1\n {2}where: app\.yaml:16/,
  ],
];

for (const [what, text, message] of nothingStarts) {
  test(`up starts nothing for ${what}`, { skip }, async () => {
    const { code, stdout, stderr } = await up(text);
    assert.equal(code, 1);
    assert.match(stderr, message);
    assert.equal(stdout, '');
  });
}

test(
  'up names file, line, object and field of what the API server refuses, and applies the rest',
  { skip },
  async () => {
    const bad = [
      'apiVersion: example.com/v1\nkind: Gadget\nmetadata: { name: unknown-kind }\n',
      'apiVersion: v1\nkind: Service\nmetadata: { name: no-ports }\nspec:\n  selector: { app: web }\n',
      'apiVersion: v1\nkind: Service\nmetadata: { name: malformed }\nspec:\n  clusterIP: 10.96.0.300\n  ports: [{ port: 80 }]\n',
      'apiVersion: v1\nkind: Service\nmetadata: { name: taken }\nspec:\n  clusterIP: 10.96.0.10\n  ports: [{ port: 80 }]\n',
      'apiVersion: v1\nkind: Pod\nmetadata: { name: port-twice }\nspec:\n  containers:\n    - name: a\n      image: x\n      ports:\n        - { name: p, containerPort: 80 }\n        - { name: p, containerPort: 81 }\n',
      web
        .replace('{ name: web }', '{ name: wrong-type }\n')
        .replace('spec:\n  selector', 'spec:\n  replicas: three\n  selector'),
      web
        .replace('{ name: web }', '{ name: mismatch }')
        .replace('labels: { app: web }', 'labels: { app: wob }'),
    ];
    const { code, stdout, stderr } = await up([web, ...bad].join('---\n'));
    assert.equal(code, 1);
    assert.match(stdout, /^default +web-\S+ +1\/1/m, 'what is right runs');
    const said = (pattern: RegExp): void => assert.match(stderr, pattern);
    said(
      /error: app\.yaml:15: Gadget unknown-kind: no matches for kind "Gadget" in version "example\.com\/v1"/,
    );
    said(/error: app\.yaml:\d+: Service no-ports: .*spec\.ports: Required value/);
    said(/error: app\.yaml:\d+: Service malformed: .*spec\.clusterIPs?.*10\.96\.0\.300/);
    said(/error: app\.yaml:\d+: Service taken: .*provided IP is already allocated/);
    said(/error: app\.yaml:\d+: Pod port-twice: .*Duplicate value: "p"/);
    said(/error: app\.yaml:\d+: Deployment wrong-type: .*replicas/);
    said(/error: app\.yaml:\d+: Deployment mismatch: .*`selector` does not match template `labels`/);
  },
);

test('up warns of a Service whose selector finds nothing', { skip }, async () => {
  const service =
    '---\napiVersion: v1\nkind: Service\nmetadata: { name: lost }\nspec:\n  selector: { app: wbe }\n  ports: [{ port: 80 }]\n';
  const { code, stderr } = await up(web + service);
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    /warning: app\.yaml:18: Service lost: spec\.selector \(app=wbe\) matches no ready pod/,
  );
});

test('up says which pods are not ready in time, and why', { skip }, async () => {
  const never = web
    .replace('image: example/web', "image: busybox\n          command: ['sleep', '1000']")
    .concat("          readinessProbe: { exec: { command: ['false'] }, periodSeconds: 1 }\n");
  const { code, stderr } = await up(never, '--timeout', '4');
  assert.equal(code, 1);
  assert.match(stderr, /error: not ready after 4\.0 s:\n {2}default\/web-\S+: readinessProbe of web/);
});

test('up refuses settings that cannot be, before anything starts', { skip }, async () => {
  const { code, stderr } = await run(podnetPath, ['up', '-d', '--name', name, '--cidr', '10.244.0.0/27']);
  assert.equal(code, 2);
  assert.match(stderr, /10\.244\.0\.0\/27 is too small for 3 nodes.*\n {2}where: cidr\n {2}fix: /);
  const config = join(folder, 'podnet.yaml');
  writeFileSync(config, 'nodez: 3\n');
  const bad = await run(podnetPath, ['up', '-d', '--name', name, '--config', config]);
  assert.match(bad.stderr, /There is no setting "nodez"/);
  const usage = await run(podnetPath, ['up', '--nodes', 'many']);
  assert.equal(usage.code, 2);
});
