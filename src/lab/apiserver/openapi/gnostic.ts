import type { Model } from './models.ts';
import type { DocumentV2, OperationV2, ParameterV2, PathItemV2 } from './openapi-v2.ts';
import { ProtobufWriter } from './protobuf.ts';

/**
 * An OpenAPI 2 document as the protocol buffer message `openapi.v2.Document` of gnostic's OpenAPIv2.proto, which
 * older clients ask for. Field numbers are that file's.
 */
export function encodeGnostic(document: DocumentV2): Buffer {
  return new ProtobufWriter()
    .string(1, document.swagger)
    .message(2, (info) => info.string(1, document.info.title).string(2, document.info.version))
    .message(8, (paths) => {
      for (const [path, item] of Object.entries(document.paths)) {
        paths.message(2, (named) => named.string(1, path).message(2, (writer) => writePath(writer, item)));
      }
    })
    .message(9, (definitions) => writeSchemas(definitions, document.definitions))
    .finish();
}

const METHOD_FIELDS = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function writePath(writer: ProtobufWriter, item: PathItemV2): void {
  for (const method of ['get', 'put', 'post', 'delete', 'patch'] as const) {
    const operation = item[method];
    if (operation) writer.message(METHOD_FIELDS[method], (nested) => writeOperation(nested, operation));
  }
  for (const parameter of item.parameters) writer.message(9, (nested) => writeParameter(nested, parameter));
}

function writeOperation(writer: ProtobufWriter, operation: OperationV2): void {
  writer.string(5, operation.operationId).strings(6, operation.produces).strings(7, operation.consumes);
  for (const parameter of operation.parameters)
    writer.message(8, (nested) => writeParameter(nested, parameter));
  writer.message(9, (responses) => {
    for (const [code, { description, schema }] of Object.entries(operation.responses)) {
      responses.message(1, (named) =>
        named.string(1, code).message(2, (value) =>
          value.message(1, (response) => {
            response.string(1, description);
            if (schema)
              response.message(2, (item) => item.message(1, (nested) => writeSchema(nested, schema)));
          }),
        ),
      );
    }
  });
  writeExtensions(writer, 13, operation);
}

/** ParametersItem → Parameter → BodyParameter, or NonBodyParameter → query (3) or path (4) parameter. */
function writeParameter(
  writer: ProtobufWriter,
  { in: where, name, required, type, schema }: ParameterV2,
): void {
  writer.message(1, (parameter) => {
    if (where === 'body') {
      parameter.message(1, (body) => {
        body.string(2, name).string(3, where).boolean(4, required);
        if (schema) body.message(5, (nested) => writeSchema(nested, schema));
      });
    } else {
      parameter.message(2, (nonBody) => {
        nonBody.message(where === 'query' ? 3 : 4, (sub) => {
          sub.boolean(1, required).string(2, where).string(4, name);
          sub.string(where === 'query' ? 6 : 5, type);
        });
      });
    }
  });
}

function writeSchemas(writer: ProtobufWriter, schemas: Readonly<Record<string, Model>>): void {
  for (const [name, schema] of Object.entries(schemas)) {
    writer.message(1, (named) => named.string(1, name).message(2, (nested) => writeSchema(nested, schema)));
  }
}

function writeSchema(writer: ProtobufWriter, schema: Model): void {
  const { additionalProperties, type, items, properties } = schema;
  writer
    .string(1, schema.$ref)
    .string(2, schema.format)
    .string(4, schema.description)
    .strings(19, schema.required);
  if (typeof additionalProperties === 'object') {
    writer.message(21, (item) => item.message(1, (nested) => writeSchema(nested, additionalProperties)));
  }
  if (type) writer.message(22, (item) => item.strings(1, [type]));
  if (items) writer.message(23, (item) => item.message(1, (nested) => writeSchema(nested, items)));
  if (properties) writer.message(25, (nested) => writeSchemas(nested, properties));
  writeExtensions(writer, 31, schema);
}

/** Extensions are NamedAny: the name and the value as YAML, of which JSON is a part. */
function writeExtensions(writer: ProtobufWriter, field: number, of: object): void {
  for (const [name, value] of Object.entries(of)) {
    if (!name.startsWith('x-')) continue;
    writer.message(field, (named) =>
      named.string(1, name).message(2, (any) => any.string(2, JSON.stringify(value))),
    );
  }
}
