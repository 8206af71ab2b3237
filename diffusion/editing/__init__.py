"""What pictures need: starts from data, inpainting, batches in parts, spherical interpolation, and files."""

from diffusion.editing.pictures import save_images, slerp
from diffusion.editing.starts import add_noise, image_to_image, inpaint, sample_in_batches

__all__ = ["add_noise", "image_to_image", "inpaint", "sample_in_batches", "save_images", "slerp"]
