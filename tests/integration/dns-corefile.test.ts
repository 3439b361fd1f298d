/** What a Corefile says, held against what dig is told. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { configMaps } from '../../src/cluster/resources.ts';
import { hasDig } from '../conformance/dns/clients.ts';
import { scene, serverAddresses, upstreamAddress } from '../conformance/dns/scene.ts';
import { startUpstream, type Upstream } from '../conformance/dns/upstream.ts';
import { addLocalAddresses, startDnsCluster, type DnsCluster } from '../support/dns-cluster.ts';

const [server] = serverAddresses;
const stubAddress = '10.96.0.61';
const skip = hasDig() ? false : 'dig is not installed (Debian package bind9-dnsutils)';
const execute = promisify(execFile);

async function dig(...args: readonly string[]): Promise<string> {
  const { stdout } = await execute('dig', [`@${server}`, '+tries=1', '+time=5', ...args]);
  return stdout;
}

const short = async (...args: readonly string[]): Promise<readonly string[]> =>
  (await dig('+short', ...args)).split('\n').filter((line) => line !== '');

const corefile = `
corp.example:53 {
    errors
    forward . ${stubAddress}
    cache 30
}
filtered.example:53 {
    acl {
        filter type A
    }
    forward . ${upstreamAddress}
}
.:53 {
    errors
    rewrite stop name exact old-web.example web.default.svc.cluster.local answer auto
    rewrite stop type MX A
    header {
        response set aa
    }
    hosts {
        10.9.9.9 printer.office
        fd00:9::9 printer.office
        fallthrough
    }
    template IN A templated.office {
        match "^host-(?P<number>[0-9]+)[.]templated[.]office[.]$"
        answer "{{ .Name }} 60 IN A 10.8.8.{{ .Group.number }}"
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods verified
        ttl 17
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . ${upstreamAddress} {
        except office
    }
    cache 30
    loadbalance round_robin
}
`;

describe('the Corefile of kube-system/coredns', { skip }, () => {
  let cluster: DnsCluster;
  let upstream: Upstream;
  let stub: Upstream;

  before(async () => {
    addLocalAddresses([...serverAddresses, upstreamAddress, stubAddress]);
    upstream = await startUpstream(upstreamAddress);
    stub = await startUpstream(stubAddress);
    cluster = await startDnsCluster({ ...scene, addresses: serverAddresses, upstreams: [upstreamAddress] });
    await cluster.client.create(configMaps, {
      metadata: { namespace: 'kube-system', name: 'coredns' },
      data: { Corefile: corefile },
    });
    await eventually(async () => (await short('printer.office'))[0] === '10.9.9.9');
  });
  after(async () => {
    await cluster.stop();
    upstream.close();
    stub.close();
  });

  test('forwards a stub domain to its own resolver, once for equal questions', async () => {
    assert.deepEqual(await short('git.corp.example'), ['192.0.2.80']);
    assert.deepEqual(await short('git.corp.example'), ['192.0.2.80']);
    assert.deepEqual(
      stub.questions.filter((question) => question.startsWith('git.')),
      ['git.corp.example A'],
    );
    assert.ok(!upstream.questions.some((question) => question.startsWith('git.')));
  });

  test('answers other names by the other resolver, from the cache the second time', async () => {
    await short('www.example');
    await short('www.example');
    assert.deepEqual(
      upstream.questions.filter((question) => question.startsWith('www.')),
      ['www.example A'],
    );
    const [, ttl = ''] = /^www\.example\.\s+(\d+)/mu.exec(await dig('www.example')) ?? [];
    assert.ok(Number(ttl) <= 30);
  });

  test('rewrites names and their answers, and types', async () => {
    assert.match(await dig('old-web.example'), /^old-web\.example\.\s+17\s+IN\s+A\s+10\.96\.0\.20$/mu);
  });

  test('answers from hosts, forwards and backwards, and denies nothing behind it', async () => {
    assert.deepEqual(await short('printer.office', 'AAAA'), ['fd00:9::9']);
    assert.deepEqual(await short('-x', '10.9.9.9'), ['printer.office.']);
    assert.deepEqual(await short('web.default.svc.cluster.local'), ['10.96.0.20']);
  });

  test('makes answers by template', async () => {
    assert.deepEqual(await short('host-7.templated.office'), ['10.8.8.7']);
  });

  test('filters by acl', async () => {
    assert.deepEqual(await short('www.filtered.example', 'A'), []);
    assert.deepEqual(await short('www.filtered.example', 'AAAA'), ['2001:db8::80']);
  });

  test('answers for existing pods alone where pods are verified, with the TTL told', async () => {
    assert.match(await dig('10-244-1-3.default.pod.cluster.local'), /\s17\s+IN\s+A\s+10\.244\.1\.3$/mu);
    assert.match(await dig('10-244-99-9.default.pod.cluster.local'), /status: NXDOMAIN/u);
  });

  test('turns addresses round', async () => {
    const first = new Set<string | undefined>();
    for (let time = 0; time < 12; time++) first.add((await short('postgres.database.svc.cluster.local'))[0]);
    assert.equal(first.size, 3);
  });

  test('is left as it was by one that cannot be read, and says why', async () => {
    const { metadata } = await cluster.client.get(configMaps, { namespace: 'kube-system', name: 'coredns' });
    const put = (text: string): Promise<unknown> =>
      cluster.client.update(configMaps, {
        metadata: { namespace: 'kube-system', name: 'coredns', ...versionOf(metadata) },
        data: { Corefile: text },
      });
    await put('.:53 {\n    etcd cluster.local\n}\n');
    await eventually(async () => cluster.lines.some((line) => /etcd/u.test(line)));
    assert.match(
      cluster.lines.find((line) => /etcd/u.test(line)) ?? '',
      /^error: .*There is no plugin "etcd"/u,
    );
    assert.deepEqual(await short('printer.office'), ['10.9.9.9']);
  });
});

function versionOf(metadata: { readonly resourceVersion?: string } | undefined): {
  resourceVersion?: string;
} {
  return metadata?.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion };
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, 'the condition did not come true in 10 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
