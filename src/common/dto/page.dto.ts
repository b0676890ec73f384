// Lists: the query parameters of every list, and the page that it returns.
import type { Type } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import type { Page } from '../repositories/page.js';
import { BooleanQuery, EnumField, IntQuery, TextField } from '../decorators/fields.decorator.js';

export const MAX_PAGE_ROWS = 100;

export abstract class PageQuery {
  @IntQuery({
    min: 1,
    max: MAX_PAGE_ROWS,
    default: 20,
    description: 'How many items at most; of very large ones there are fewer',
  })
  limit = 20;

  @TextField({ max: 500, optional: true, description: '`nextCursor` of the page before' })
  cursor?: string;

  abstract sort: string;
}

/** For objects that can be deleted and restored. */
export abstract class RestorablePageQuery extends PageQuery {
  @BooleanQuery({ description: 'Administrators: the deleted objects of all owners instead of the living' })
  deleted?: boolean;
}

/** The sort fields of a list, each also descending with a minus before it; the first is the default. */
export function SortField(values: readonly [string, ...string[]]): PropertyDecorator {
  const options = {
    optional: true,
    default: values[0],
    description: `Order; a minus means descending. Default: ${values[0]}`,
  };
  return (query, property) => {
    const name = query.constructor.name.replace(/^List(.*)Query$/, '$1Sort'); // ListTasksQuery: TasksSort
    EnumField({ name, values, ...options })(query, property);
  };
}

/** Returns the class of a page of `item`s, for OpenAPI. */
export function PageOf<T>(item: Type<T>): Type<Page<T>> {
  class PageDto implements Page<T> {
    @ApiProperty({ type: [item] })
    items!: T[];

    @ApiProperty({ type: String, nullable: true, description: 'For `?cursor=`; null on the last page' })
    nextCursor!: string | null;
  }
  Object.defineProperty(PageDto, 'name', { value: `${item.name.replace(/Dto$/, '')}Page` });
  return PageDto;
}
