import { reverseName } from '../../../src/dns/wire/address.ts';

/** A question and what the Kubernetes DNS specification (schema 1.1.0), or CoreDNS where it is silent, answers. */
export interface Row {
  /** The section of the specification, or what else asks for it. */
  readonly of: string;
  /** Complete, without the final dot. */
  readonly name: string;
  readonly type: RowType;
  /** Data of the answers of the asked type in any order, behind aliases too; or why there are none. */
  readonly answer: readonly string[] | 'NXDOMAIN' | 'NODATA';
  /** Names passed on the way to them. */
  readonly aliases?: readonly string[];
}

export type RowType = 'A' | 'AAAA' | 'SRV' | 'PTR' | 'CNAME' | 'TXT' | 'NS' | 'SOA' | 'MX';

type Short = readonly [name: string, type: RowType, answer: Row['answer'], aliases?: readonly string[]];

/** Names are below the cluster's domain unless they end in a dot; addresses stand for their reverse names. */
function section(of: string, domain: string, rows: readonly Short[]): Row[] {
  return rows.map(([name, type, answer, aliases]) => ({
    of,
    name:
      type === 'PTR'
        ? reverseName(name)
        : name.endsWith('.')
          ? name.slice(0, -1)
          : `${name}${name && '.'}${domain}`,
    type,
    answer: typeof answer === 'string' ? answer : answer.map((text) => text.replaceAll('$DOMAIN', domain)),
    ...(aliases && { aliases: aliases.map((text) => text.replaceAll('$DOMAIN', domain)) }),
  }));
}

/** The whole table, of the objects of `scene.ts`. */
export function specification(domain: string): readonly Row[] {
  return [
    ...section('2.2 schema version', domain, [
      ['dns-version', 'TXT', ['1.1.0']],
      ['dns-version', 'A', 'NODATA'],
    ]),
    ...section('2.3.1 A and AAAA of a Service with cluster IP', domain, [
      ['web.default.svc', 'A', ['10.96.0.20']],
      ['web.default.svc', 'AAAA', ['fd00:96::20']],
      ['only-four.default.svc', 'A', ['10.96.0.21']],
      ['only-four.default.svc', 'AAAA', 'NODATA'],
      ['only-six.default.svc', 'AAAA', ['fd00:96::22']],
      ['only-six.default.svc', 'A', 'NODATA'],
      ['idle.default.svc', 'A', ['10.96.0.23']],
      ['web.default.svc', 'MX', 'NODATA'],
    ]),
    ...section('2.3.2 SRV of a Service with cluster IP', domain, [
      ['_http._tcp.web.default.svc', 'SRV', ['0 100 80 web.default.svc.$DOMAIN']],
      ['_dns._udp.web.default.svc', 'SRV', ['0 100 53 web.default.svc.$DOMAIN']],
      ['_http._tcp.only-six.default.svc', 'SRV', ['0 100 80 only-six.default.svc.$DOMAIN']],
      ['_http._udp.web.default.svc', 'SRV', 'NXDOMAIN'],
      ['_http._tcp.web.default.svc', 'A', 'NODATA'],
      ['_tcp.web.default.svc', 'SRV', 'NODATA'],
    ]),
    ...section('2.3.3 PTR of a Service with cluster IP', domain, [
      ['10.96.0.20', 'PTR', ['web.default.svc.$DOMAIN']],
      ['fd00:96::20', 'PTR', ['web.default.svc.$DOMAIN']],
      ['10.96.0.21', 'PTR', ['only-four.default.svc.$DOMAIN']],
      ['fd00:96::22', 'PTR', ['only-six.default.svc.$DOMAIN']],
      ['10.96.99.99', 'PTR', 'NXDOMAIN'],
      ['fd00:96::9999', 'PTR', 'NXDOMAIN'],
    ]),
    ...section('2.4.1 A and AAAA of a headless Service', domain, [
      ['postgres.database.svc', 'A', ['10.244.1.7', '10.244.2.7', '10.244.2.8']],
      ['postgres.database.svc', 'AAAA', ['fd00:244::7']],
      ['postgres-0.postgres.database.svc', 'A', ['10.244.1.7']],
      ['postgres-0.postgres.database.svc', 'AAAA', ['fd00:244::7']],
      ['postgres-1.postgres.database.svc', 'A', ['10.244.2.7']],
      ['postgres-1.postgres.database.svc', 'AAAA', 'NODATA'],
      ['postgres-3.postgres.database.svc', 'A', 'NXDOMAIN'],
      ['nameless.database.svc', 'A', ['10.244.4.4']],
      ['booting.database.svc', 'A', ['10.244.3.3']],
      ['booting-0.booting.database.svc', 'A', ['10.244.3.3']],
      ['down.database.svc', 'A', 'NXDOMAIN'],
      ['down-0.down.database.svc', 'A', 'NXDOMAIN'],
    ]),
    ...section('2.4.2 SRV of a headless Service', domain, [
      [
        '_pg._tcp.postgres.database.svc',
        'SRV',
        [
          '0 100 15432 postgres-0.postgres.database.svc.$DOMAIN',
          '0 100 15432 postgres-1.postgres.database.svc.$DOMAIN',
          '0 100 15432 10-244-2-8.postgres.database.svc.$DOMAIN',
        ],
      ],
      ['_pg._tcp.booting.database.svc', 'SRV', ['0 100 5432 booting-0.booting.database.svc.$DOMAIN']],
      ['_pg._tcp.down.database.svc', 'SRV', 'NXDOMAIN'],
      ['_pg._tcp.nameless.database.svc', 'SRV', 'NXDOMAIN'],
    ]),
    ...section('2.4.3 PTR of a headless Service', domain, [
      ['10.244.1.7', 'PTR', ['postgres-0.postgres.database.svc.$DOMAIN']],
      ['fd00:244::7', 'PTR', ['postgres-0.postgres.database.svc.$DOMAIN']],
      ['10.244.2.8', 'PTR', ['10-244-2-8.postgres.database.svc.$DOMAIN']],
      ['10.244.2.9', 'PTR', 'NXDOMAIN'],
    ]),
    ...section('2.5 ExternalName', domain, [
      ['outside.default.svc', 'CNAME', ['db.outside.example']],
      ['outside.default.svc', 'A', ['192.0.2.80'], ['db.outside.example']],
      ['outside.default.svc', 'AAAA', ['2001:db8::80'], ['db.outside.example']],
    ]),
    ...section('E1: dashed addresses of endpoints', domain, [
      ['10-244-2-8.postgres.database.svc', 'A', ['10.244.2.8']],
      ['10-244-1-7.postgres.database.svc', 'A', ['10.244.1.7']],
      ['10-244-1-3.web.default.svc', 'A', ['10.244.1.3']],
      ['10-244-2-4.web.default.svc', 'A', 'NXDOMAIN'],
      ['fd00-244--7.postgres.database.svc', 'AAAA', ['fd00:244::7']],
    ]),
    ...section('E1: pods', domain, [
      ['10-244-1-3.default.pod', 'A', ['10.244.1.3']],
      ['fd00-244--3.default.pod', 'AAAA', ['fd00:244::3']],
      ['10-244-1-3.default.pod', 'AAAA', 'NODATA'],
      ['10-244-1-3.nowhere.pod', 'A', 'NXDOMAIN'],
      ['shell.default.pod', 'A', 'NXDOMAIN'],
    ]),
    ...section('E1: what does not exist, and what exists without a record', domain, [
      ['nobody.default.svc', 'A', 'NXDOMAIN'],
      ['nobody.default.svc', 'AAAA', 'NXDOMAIN'],
      ['web.nowhere.svc', 'A', 'NXDOMAIN'],
      ['nowhere.svc', 'A', 'NXDOMAIN'],
      ['default.svc', 'A', 'NODATA'],
      ['empty.svc', 'A', 'NODATA'],
      ['svc', 'A', 'NODATA'],
      ['pod', 'A', 'NODATA'],
      ['', 'A', 'NODATA'],
      ['*.default.svc', 'A', 'NXDOMAIN'],
      ['any.any.svc', 'A', 'NXDOMAIN'],
      ['extra.web.default.svc', 'A', 'NXDOMAIN'],
    ]),
    ...section('E1: the zone itself', domain, [
      ['', 'NS', ['ns.dns.$DOMAIN']],
      ['ns.dns', 'A', ['10.96.0.10']],
      ['ns.dns', 'AAAA', ['fd00:96::a']],
    ]),
    ...section('outside', domain, [
      ['host.outside.example.', 'A', ['192.0.2.80']],
      ['host.outside.example.', 'AAAA', ['2001:db8::80']],
      ['gone.outside.example.', 'A', 'NXDOMAIN'],
    ]),
  ];
}
