// Finds unknown members in linear time before class-transformer and class-validator run, which take 20 µs for each.
import type { Type } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';
import { ITEM_CLASS } from '../../decorators/fields.decorator.js';

/** The members of a class; for lists of objects with the class of the items. */
type Members = ReadonlyMap<string, Type | undefined>;

const known = new Map<Type, Members>();

function membersOf(dto: Type): Members {
  let members = known.get(dto);
  if (!members) {
    const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
    const itemClassOf = (name: string) => Reflect.getMetadata(ITEM_CLASS, dto.prototype as object, name) as undefined;
    members = new Map(rules.map(({ propertyName }) => [propertyName, itemClassOf(propertyName)]));
    known.set(dto, members);
  }
  return members;
}

/** Returns the paths of unknown members, such as `tasks.2.ownerId`, in the order of the input; at most `max`. */
export function findUnknownMembers(value: unknown, dto: Type, max: number): string[] {
  const found: string[] = [];
  const visit = (object: unknown, members: Members, path: string): void => {
    if (typeof object !== 'object' || object === null || Array.isArray(object)) return;
    for (const key in object) {
      if (found.length === max) return;
      if (!members.has(key)) found.push(path + key);
      const item = members.get(key);
      const list: unknown = item && (object as Record<string, unknown>)[key];
      if (item && Array.isArray(list)) list.forEach((one, at) => visit(one, membersOf(item), `${path}${key}.${at}.`));
    }
  };
  visit(value, membersOf(dto), '');
  return found;
}
