import type { TemplateRule, TemplateText } from '../corefile/plan.ts';
import { CLASS, RCODE, typeName } from '../wire/constants.ts';
import type { DnsRecord } from '../wire/message.ts';
import { isWithin, printKey } from '../wire/name.ts';
import { parseZoneFile } from '../wire/zone-file.ts';
import type { Request, Step } from './request.ts';
import { writeRcode, writeRecords } from './write.ts';

/** Answers made of text and of parts of the question's name. */
export function templateStep(rules: readonly TemplateRule[]): Step {
  return (request, room) => {
    for (const rule of rules) {
      const { query } = request;
      const zone = rule.zones.find((each) => isWithin(query.key, each));
      if (zone === undefined || (rule.class !== CLASS.ANY && rule.class !== query.class)) continue;
      if (rule.type !== undefined && rule.type !== query.type) continue;
      const name = `${printKey(query.key)}.`.replace(/^\.\.$/, '.');
      const match = matchOf(rule, name);
      if (match === undefined) {
        if (rule.fallthrough.some((each) => isWithin(query.key, each))) continue;
        return writeRcode(request, RCODE.NXDOMAIN, room);
      }
      const values: Values = { name, zone: printKey(zone), match, request };
      const records = (texts: readonly TemplateText[]): DnsRecord[] =>
        texts.flatMap((text) => parseZoneFile(fill(text, values)));
      const { answers, additional, authority, rcode } = rule;
      return writeRecords(
        request,
        { answers: records(answers), additional: records(additional), authority: records(authority), rcode },
        room,
      );
    }
    return undefined;
  };
}

interface Values {
  readonly name: string;
  readonly zone: string;
  readonly match: RegExpExecArray | readonly string[];
  readonly request: Request;
}

/** The first pattern that fits; a rule without patterns fits every name. */
function matchOf({ match }: TemplateRule, name: string): Values['match'] | undefined {
  if (match.length === 0) return [name];
  for (const pattern of match) {
    const found = pattern.exec(name);
    if (found !== null) return found;
  }
  return undefined;
}

function fill(text: TemplateText, { name, zone, match, request }: Values): string {
  const { query, message } = request;
  return text
    .map((part) => {
      if (typeof part === 'string') return part;
      switch (part.of) {
        case 'name':
          return name;
        case 'zone':
          return `${zone}.`;
        case 'type':
          return typeName(query.type);
        case 'class':
          return 'IN';
        case 'id':
          return String(message.readUInt16BE(0));
        case 'match':
          return match[part.index] ?? '';
        case 'group':
          return ('groups' in match ? match.groups?.[part.name] : undefined) ?? '';
      }
    })
    .join('');
}
