import { type Condition, compileExpression } from '../corefile/expression.ts';
import { className, typeName } from '../wire/constants.ts';
import { isWithin, type NameKey, printKey } from '../wire/name.ts';
import type { Block } from './block.ts';
import type { Request } from './request.ts';

/** Finds the block that answers a question. */
export type ChooseBlock = (request: Request) => Block | undefined;

interface Place {
  readonly zone: NameKey;
  readonly block: Block;
  /** All must hold; undefined without a view. */
  readonly conditions: readonly Condition[] | undefined;
}

/**
 * The block with the nearest zone whose view, if it has one, the question meets; of equal zones the first in the file.
 * Without one, blocks of zones further up are tried.
 */
export function chooseBlockOf(blocks: readonly Block[]): ChooseBlock {
  const places: readonly Place[] = blocks
    .flatMap((block) => {
      const { view, line, zones } = block.plan;
      const conditions = view?.expressions.map((text) => compileExpression(text, line));
      return zones.map((zone) => ({ zone, block, conditions }));
    })
    .toSorted((a, b) => b.zone.length - a.zone.length);

  return (request) => {
    for (const { zone, block, conditions } of places) {
      if (!isWithin(request.query.key, zone)) continue;
      if (conditions === undefined || meets(request, conditions)) return block;
    }
    return undefined;
  };
}

function meets(
  { message, length, query, transport, client }: Request,
  conditions: readonly Condition[],
): boolean {
  const { address, port } = client();
  const name = printKey(query.key).toLowerCase();
  const facts = {
    name: name === '.' ? name : `${name}.`,
    type: typeName(query.type),
    class: className(query.class),
    proto: transport,
    clientIp: address,
    port,
    bufsize: query.edns?.udpBytes ?? 512,
    dnssecOk: query.edns?.dnssecOk ?? false,
    id: message.readUInt16BE(0),
    size: length,
  };
  return conditions.every((condition) => condition(facts));
}
