// DTO of the thumbnail query.
import { EnumField } from '../../common/decorators/fields.decorator.js';
import { THUMBNAIL_SIZES } from './thumbnail-sizes.js';

export class ThumbnailQuery {
  @EnumField({
    name: 'ThumbnailSize',
    values: THUMBNAIL_SIZES.map(String),
    optional: true,
    default: '256',
    description: 'Longest side in pixels; a smaller image is not enlarged. Default: 256',
  })
  size = '256';
}
