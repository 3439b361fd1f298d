/** Numbers of linux/netfilter/nf_tables.h and nfnetlink.h, under their own names without the common prefix. */

export const NFNL_SUBSYS_NFTABLES = 10;
export const NFNL_MSG_BATCH = { BEGIN: 0x10, END: 0x11 } as const;
export const NFNLGRP = { NFTABLES: 7, NFTRACE: 9 } as const;

/** Of nfgenmsg and of hooks. */
export const NFPROTO = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;
export const NF_INET_HOOK = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
  ingress: 5,
} as const;
export const NF_NETDEV_HOOK = { ingress: 0, egress: 1 } as const;
export const NF_VERDICT = { drop: 0, accept: 1 } as const;

export const MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
  TRACE: 17,
  NEWOBJ: 18,
  GETOBJ: 19,
  DELOBJ: 20,
} as const;

export const TABLE = { NAME: 1, FLAGS: 2, HANDLE: 4, USERDATA: 6 } as const;
export const CHAIN = {
  TABLE: 1,
  HANDLE: 2,
  NAME: 3,
  HOOK: 4,
  POLICY: 5,
  TYPE: 7,
  FLAGS: 10,
  USERDATA: 12,
} as const;
export const HOOK = { NUMBER: 1, PRIORITY: 2, DEVICE: 3 } as const;
export const RULE = { TABLE: 1, CHAIN: 2, HANDLE: 3, EXPRESSIONS: 4, POSITION: 6, USERDATA: 7 } as const;
export const SET = {
  TABLE: 1,
  NAME: 2,
  FLAGS: 3,
  KEY_TYPE: 4,
  KEY_LEN: 5,
  DATA_TYPE: 6,
  DATA_LEN: 7,
  DESC: 9,
  ID: 10,
  TIMEOUT: 11,
  GC_INTERVAL: 12,
  USERDATA: 13,
  OBJ_TYPE: 15,
  HANDLE: 16,
  EXPR: 17,
} as const;
export const SET_FLAG = {
  ANONYMOUS: 0x1,
  CONSTANT: 0x2,
  INTERVAL: 0x4,
  MAP: 0x8,
  TIMEOUT: 0x10,
  EVAL: 0x20,
  OBJECT: 0x40,
  CONCAT: 0x80,
} as const;
export const SET_DESC = { SIZE: 1, CONCAT: 2 } as const;
export const SET_FIELD_LEN = 1;
export const ELEM_LIST = { TABLE: 1, SET: 2, ELEMENTS: 3, SET_ID: 4 } as const;
export const ELEM = {
  KEY: 1,
  DATA: 2,
  FLAGS: 3,
  TIMEOUT: 4,
  EXPIRATION: 5,
  USERDATA: 6,
  EXPR: 7,
  OBJREF: 9,
  KEY_END: 10,
  EXPRESSIONS: 11,
} as const;
export const ELEM_INTERVAL_END = 1;
export const OBJ = { TABLE: 1, NAME: 2, TYPE: 3, DATA: 4, HANDLE: 6, USERDATA: 8 } as const;
export const OBJECT_COUNTER = 1;
export const LIST_ELEM = 1;
export const GEN_ID = 1;

/** NFTA_DATA_*, NFTA_VERDICT_* and what they hold. */
export const DATA = { VALUE: 1, VERDICT: 2 } as const;
export const VERDICT = { CODE: 1, CHAIN: 2 } as const;
export const VERDICT_CODE = {
  drop: 0,
  accept: 1,
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
} as const;
export const DATA_TYPE_VERDICT = 0xffffff00;

export const EXPR = { NAME: 1, DATA: 2 } as const;
export const REG_VERDICT = 0;
/** The first 16-byte register, which the 32-bit registers 8 to 11 make up; the next 32 bits are `REG_1 + 8`. */
export const REG_1 = 1;

export const IMMEDIATE = { DREG: 1, DATA: 2 } as const;
export const PAYLOAD = { DREG: 1, BASE: 2, OFFSET: 3, LEN: 4 } as const;
export const PAYLOAD_BASE = { link: 0, network: 1, transport: 2 } as const;
export const META = { DREG: 1, KEY: 2, SREG: 3 } as const;
export const META_KEY = {
  length: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  skuid: 10,
  nftrace: 12,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  iifgroup: 21,
  oifgroup: 22,
} as const;
export const CT = { DREG: 1, KEY: 2, DIRECTION: 3, SREG: 4 } as const;
export const CT_KEY = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  l3proto: 7,
  protocol: 10,
  'proto-src': 11,
  'proto-dst': 12,
  'ip saddr': 19,
  'ip daddr': 20,
  'ip6 saddr': 21,
  'ip6 daddr': 22,
} as const;
export const CMP = { SREG: 1, OP: 2, DATA: 3 } as const;
export const CMP_OP = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 } as const;
export const RANGE = { SREG: 1, OP: 2, FROM: 3, TO: 4 } as const;
export const LOOKUP = { SET: 1, SREG: 2, DREG: 3, SET_ID: 4, FLAGS: 5 } as const;
export const LOOKUP_INVERT = 1;
export const BITWISE = { SREG: 1, DREG: 2, LEN: 3, MASK: 4, XOR: 5 } as const;
export const BYTEORDER = { SREG: 1, DREG: 2, OP: 3, LEN: 4, SIZE: 5 } as const;
export const BYTEORDER_HTON = 1;
export const NUMGEN = { DREG: 1, MODULUS: 2, TYPE: 3, OFFSET: 4 } as const;
export const NUMGEN_TYPE = { inc: 0, random: 1 } as const;
export const HASH = { SREG: 1, DREG: 2, LEN: 3, MODULUS: 4, SEED: 5, OFFSET: 6, TYPE: 7 } as const;
export const HASH_JENKINS = 0;
export const FIB = { DREG: 1, RESULT: 2, FLAGS: 3 } as const;
export const FIB_RESULT = { oif: 1, oifname: 2, type: 3 } as const;
export const FIB_FLAG = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16 } as const;
export const NAT = {
  TYPE: 1,
  FAMILY: 2,
  ADDR_MIN: 3,
  ADDR_MAX: 4,
  PROTO_MIN: 5,
  PROTO_MAX: 6,
  FLAGS: 7,
} as const;
export const NAT_TYPE = { snat: 0, dnat: 1 } as const;
/** linux/netfilter/nf_nat.h */
export const NAT_RANGE = { PROTO_RANDOM: 4, PERSISTENT: 8, PROTO_RANDOM_FULLY: 16 } as const;
export const MASQ = { FLAGS: 1 } as const;
export const REDIR = { PROTO_MIN: 1 } as const;
export const REJECT = { TYPE: 1, CODE: 2 } as const;
export const REJECT_TYPE = { ICMP: 0, TCP_RST: 1, ICMPX: 2 } as const;
export const ICMPX = {
  'no-route': 0,
  'port-unreachable': 1,
  'host-unreachable': 2,
  'admin-prohibited': 3,
} as const;
/** Codes of ICMP destination unreachable (RFC 792, RFC 1812) and of ICMPv6's (RFC 4443). */
export const ICMP_CODE = {
  'no-route': 0,
  'port-unreachable': 3,
  'host-unreachable': 1,
  'admin-prohibited': 13,
} as const;
export const ICMPV6_CODE = {
  'no-route': 0,
  'port-unreachable': 4,
  'host-unreachable': 3,
  'admin-prohibited': 1,
} as const;
export const COUNTER = { BYTES: 1, PACKETS: 2 } as const;
export const OBJREF = { IMM_TYPE: 1, IMM_NAME: 2, SET_SREG: 3, SET_NAME: 4 } as const;
export const LIMIT = { RATE: 1, UNIT: 2, BURST: 3, TYPE: 4, FLAGS: 5 } as const;
export const LIMIT_UNIT = { second: 1, minute: 60, hour: 3600, day: 86400 } as const;
export const LOG = { GROUP: 1, PREFIX: 2, SNAPLEN: 3, LEVEL: 5 } as const;
export const LOG_LEVEL = {
  emerg: 0,
  alert: 1,
  crit: 2,
  err: 3,
  warn: 4,
  notice: 5,
  info: 6,
  debug: 7,
} as const;
export const DYNSET = { NAME: 1, OP: 3, SREG_KEY: 4, SREG_DATA: 5, TIMEOUT: 6, EXPR: 7 } as const;
export const DYNSET_OP = { 'add to set': 0, 'update set': 1, 'delete from set': 2 } as const;

export const TRACE = {
  TABLE: 1,
  CHAIN: 2,
  RULE_HANDLE: 3,
  TYPE: 4,
  VERDICT: 5,
  ID: 6,
  LL_HEADER: 7,
  NETWORK_HEADER: 8,
  TRANSPORT_HEADER: 9,
  IIF: 10,
  OIF: 12,
  MARK: 14,
  NFPROTO: 15,
  POLICY: 16,
} as const;
export const TRACE_TYPE = ['unspecified', 'policy', 'return', 'rule'] as const;
