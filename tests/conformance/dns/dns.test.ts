/** The Kubernetes DNS specification as a table of question and answer, asked by those who ask in a cluster. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nameKey, printKey } from '../../../src/dns/wire/name.ts';
import { addLocalAddresses, startDnsCluster, type DnsCluster } from '../../support/dns-cluster.ts';
import {
  agrees,
  askDig,
  askLibrary,
  askPacket,
  buildResolver,
  hasDig,
  type Library,
  type Question,
  type Told,
} from './clients.ts';
import { scene, serverAddresses, upstreamAddress } from './scene.ts';
import { specification, type Row } from './table.ts';
import { startUpstream, type Upstream } from './upstream.ts';

const directory = mkdtempSync(join(tmpdir(), 'podnet-dns-'));
const withoutDig = hasDig() ? false : 'dig is not installed (Debian package bind9-dnsutils)';
let upstream: Upstream;

before(async () => {
  addLocalAddresses([upstreamAddress, ...serverAddresses]);
  upstream = await startUpstream(upstreamAddress);
});
after(() => {
  upstream.close();
  rmSync(directory, { recursive: true, force: true });
});

function compare(rows: readonly Row[], told: readonly Told[]): void {
  const wrong = rows.flatMap(({ of, name, type, answer }, index) => {
    const said = told[index] ?? 'failed';
    return agrees(said, answer)
      ? []
      : [`${of}: ${name} ${type}: expected ${String(answer)}, got ${String(said)}`];
  });
  assert.deepEqual(wrong, []);
}

for (const domain of ['cluster.local', 'kube.example']) {
  describe(`the Kubernetes DNS specification, of ${domain}`, () => {
    const rows = specification(domain);
    let cluster: DnsCluster;

    before(async () => {
      cluster = await startDnsCluster({
        ...scene,
        addresses: serverAddresses,
        clusterDomain: domain,
        upstreams: [upstreamAddress],
      });
    });
    after(() => cluster.stop());

    for (const server of serverAddresses) {
      for (const option of ['+notcp', '+tcp', '+noedns', '+dnssec', '+bufsize=512'])
        test(`dig ${option} @${server}`, { skip: withoutDig }, async () =>
          compare(rows, await askDig(server, rows, option)),
        );

      test(`dns-packet @${server}`, async () => {
        const told: Told[] = [];
        for (const row of rows) told.push(await askPacket(server, row));
        compare(rows, told);
      });

      for (const library of ['glibc', 'musl'] as const)
        test(`${library} @${server}`, async (t) => {
          const program = buildResolver(library, directory);
          if (program === undefined) return t.skip(missing(library));
          const resolvConf = `nameserver ${server}\noptions timeout:10 attempts:1\n`;
          const absolute = rows.map((row) => ({
            ...row,
            name: row.type === 'PTR' ? row.name : `${row.name}.`,
          }));
          return compare(rows, await askLibrary(program, { resolvConf, directory }, absolute));
        });
    }

    test('says by which names an alias leads to its answer', { skip: withoutDig }, async () => {
      const aliased = rows.filter(({ aliases }) => aliases !== undefined);
      assert.ok(aliased.length > 0);
      for (const { name, aliases = [] } of aliased) {
        const asked = aliases.map(() => ({ name, type: 'CNAME' as const }));
        compare(
          asked.map((question) => ({ of: 'alias', ...question, answer: aliases })),
          await askDig(serverAddresses[0], asked),
        );
      }
    });

    test('answers in the letters of the question', async () => {
      for (const row of rows.filter(({ type, answer }) => type === 'A' && typeof answer !== 'string')) {
        const name = row.name.replace(/[a-z]/gu, (letter, at: number) =>
          at % 2 === 0 ? letter.toUpperCase() : letter,
        );
        assert.ok(agrees(await askPacket(serverAddresses[0], { name, type: 'A' }), row.answer), name);
        assert.equal(printKey(nameKey(name)), row.name);
      }
    });
  });
}

function missing(library: Library): string {
  return library === 'musl'
    ? 'musl-gcc is not installed (Debian package musl-tools)'
    : 'gcc is not installed (Debian package gcc)';
}

describe('a pod’s search list', () => {
  const searches = 'default.svc.cluster.local svc.cluster.local cluster.local';
  const resolvConf = `nameserver ${serverAddresses[0]}\nsearch ${searches}\noptions ndots:5 timeout:10 attempts:1\n`;
  let cluster: DnsCluster;

  before(async () => {
    cluster = await startDnsCluster({
      ...scene,
      addresses: serverAddresses,
      upstreams: [upstreamAddress],
      // Every client of this namespace is a pod of `default`.
      namespaceOf: () => 'default',
      corefile: `.:53 {
        log . "asked {name} {type}"
        autopath @kubernetes
        kubernetes cluster.local in-addr.arpa ip6.arpa {
          pods insecure
          fallthrough in-addr.arpa ip6.arpa
        }
        forward . ${upstreamAddress}
      }`,
    });
  });
  after(() => cluster.stop());

  const asked: readonly [Question, Told][] = [
    [{ name: 'web', type: 'A' }, ['10.96.0.20']],
    [{ name: 'web', type: 'AAAA' }, ['fd00:96::20']],
    [{ name: 'web.default', type: 'A' }, ['10.96.0.20']],
    [{ name: 'postgres.database', type: 'A' }, ['10.244.1.7', '10.244.2.7', '10.244.2.8']],
    [{ name: 'postgres.database.svc', type: 'AAAA' }, ['fd00:244::7']],
    [{ name: 'postgres-0.postgres.database', type: 'A' }, ['10.244.1.7']],
    [{ name: 'postgres.database.svc.cluster.local', type: 'A' }, ['10.244.1.7', '10.244.2.7', '10.244.2.8']],
    [{ name: 'host.outside.example', type: 'A' }, ['192.0.2.80']],
    [{ name: 'host.outside.example', type: 'AAAA' }, ['2001:db8::80']],
    [{ name: 'outside', type: 'A' }, ['192.0.2.80']],
  ];

  for (const library of ['glibc', 'musl'] as const) {
    test(`costs ${library} one question a name`, async (t) => {
      const program = buildResolver(library, directory);
      if (program === undefined) return t.skip(missing(library));
      for (const [question, expected] of asked) {
        const seen = cluster.lines.length;
        const [told] = await askLibrary(program, { resolvConf, directory }, [question]);
        assert.deepEqual(told, expected, question.name);
        const questions = cluster.lines.slice(seen).filter((line) => line.includes('asked '));
        assert.deepEqual(
          questions.map((line) => line.replace(/^.*asked /u, '')),
          [`${question.name}.default.svc.cluster.local. ${question.type}`],
        );
      }
      return undefined;
    });
  }

  test('ends for a name that nobody knows', async (t) => {
    const program = buildResolver('glibc', directory);
    if (program === undefined) return t.skip(missing('glibc'));
    const [told] = await askLibrary(program, { resolvConf, directory }, [
      { name: 'gone.outside.example', type: 'A' },
    ]);
    assert.equal(told, 'none');
    return undefined;
  });
});
