"""Real pipelines of diffusers with tiny random networks: our scheduler in the place of theirs."""

import numpy as np
import pytest
import torch

import diffusion

diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")
from diffusion.adapters.diffusers import Scheduler  # noqa: E402  # it needs what is looked for above

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array:DeprecationWarning"),  # theirs
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::diffusion.diagnosis.OffScaleWarning"),  # random networks are no denoisers
]
LATENT = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def seeded(make):
    """Return a fixture of a module, with weights that are always the same."""

    def fixture():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return make()

    return pytest.fixture(scope="module", name=make.__name__)(fixture)


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


def unet(**options):
    options = {"cross_attention_dim": 8, "in_channels": 4, **options}
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        **options,
    ).eval()


def autoencoder(channels=4, **options):
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        block_out_channels=(8,),
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=8,
        **options,
    ).eval()


@seeded
def text_to_image():
    scheduler = diffusers.PNDMScheduler(**LATENT, skip_prk_steps=True, steps_offset=1)
    return quiet(
        diffusers.StableDiffusionPipeline(
            vae=autoencoder(),
            text_encoder=None,
            tokenizer=None,
            unet=unet(),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


PROMPT = {"prompt_embeds": noise(1, 4, 8), "negative_prompt_embeds": noise(1, 4, 8).flip(1), "guidance_scale": 3.0}
SD = diffusion.VP.from_betas(np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)


def denoiser_of(pipe):
    return diffusion.Denoiser.from_diffusers(
        pipe.unet,
        pipe.scheduler,
        condition={"encoder_hidden_states": PROMPT["prompt_embeds"]},
        unconditional={"encoder_hidden_states": PROMPT["negative_prompt_embeds"]},
        guidance_scale=3.0,
    )


@pytest.mark.parametrize("name", ["unipc3", "deis-tab3", "edm-heun", "auto"])
def test_text_to_image_with_guidance_is_sample_with_its_network(text_to_image, name):
    pipe, latents = text_to_image, noise(1, 4, 8, 8)
    pipe.scheduler = Scheduler.from_config(pipe.scheduler.config, sampler=name)
    found = pipe(**PROMPT, num_inference_steps=6, latents=latents, output_type="latent").images
    with torch.no_grad():
        expected = diffusion.sample(denoiser_of(pipe), latents, sampler=name, steps=6)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("origin", "preset"),
    [("DPMSolverMultistepScheduler", "dpmpp-2m@diffusers"), ("UniPCMultistepScheduler", "unipc2-bh2@diffusers")],
)
def test_text_to_image_by_a_preset_is_that_of_its_scheduler(text_to_image, origin, preset):
    pipe, latents = text_to_image, noise(1, 4, 8, 8)
    images = []
    pipe.scheduler = getattr(diffusers, origin)(**LATENT)
    for scheduler in (pipe.scheduler, Scheduler.from_config(pipe.scheduler.config, sampler=preset)):
        pipe.scheduler = scheduler
        images.append(pipe(**PROMPT, num_inference_steps=6, latents=latents, output_type="latent").images)
    torch.testing.assert_close(images[1], images[0], rtol=0, atol=1e-5 * float(images[0].abs().max()))


@pytest.mark.parametrize("name", ["unipc3", "edm-heun", "auto"])
def test_image_to_image_begins_in_the_middle(text_to_image, name):
    pipe = quiet(diffusers.StableDiffusionImg2ImgPipeline(**text_to_image.components, requires_safety_checker=False))
    pipe.scheduler = Scheduler.from_config(pipe.scheduler.config, sampler=name)
    image, latents = noise(1, 4, 8, 8), []  # four channels: latents already

    def keep(pipe, step, timestep, given):
        latents.append(given["latents"])
        return given

    found = pipe(
        image=image,
        **PROMPT,
        num_inference_steps=8,
        strength=0.5,
        output_type="latent",
        generator=torch.Generator().manual_seed(0),
        callback_on_step_end=keep,
    ).images
    begin = 4 * pipe.scheduler.order
    assert len(latents) == len(pipe.scheduler.timesteps) - begin
    drawn = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    start = pipe.scheduler.add_noise(image, drawn, pipe.scheduler.timesteps[begin : begin + 1])
    with torch.no_grad():
        run = {"sampler": name, "grid": pipe.scheduler.times[4:], "start": "state"}
        expected = diffusion.sample(denoiser_of(pipe), start, **run)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4)


def test_inpainting_keeps_what_is_not_masked(text_to_image):
    pipe = quiet(diffusers.StableDiffusionInpaintPipeline(**text_to_image.components, requires_safety_checker=False))
    image, mask = noise(1, 3, 8, 8).clamp(-1, 1), torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1.0
    for name in ("unipc3", "edm-heun"):
        pipe.scheduler = Scheduler.from_config(pipe.scheduler.config, sampler=name)
        found = pipe(
            image=image,
            mask_image=mask,
            **PROMPT,
            num_inference_steps=6,
            strength=1.0,
            height=8,
            width=8,
            output_type="latent",
            generator=torch.Generator().manual_seed(0),
        ).images
        with torch.no_grad():
            kept = pipe.vae.encode(image).latent_dist
        scaled = pipe.vae.config.scaling_factor
        near = (found / scaled - kept.mean)[..., :4].abs().max() / kept.std.max()
        assert float(near) < 6  # the encoding of the image is a draw
        assert torch.isfinite(found).all()


@seeded
def pixels():
    return diffusers.UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    ).eval()


def test_unconditional_images(pixels):
    scheduler = Scheduler.from_config(diffusers.DDPMScheduler().config, sampler="dpmpp-2m")
    pipe = quiet(diffusers.DDPMPipeline(pixels, scheduler))
    found = pipe(num_inference_steps=5, generator=torch.Generator().manual_seed(0), output_type="np").images
    drawn = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net = diffusion.Denoiser.from_diffusers(pixels, diffusers.DDPMScheduler())
        expected = diffusion.sample(net, drawn, sampler="dpmpp-2m", steps=5)
    np.testing.assert_allclose(found, (expected / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1), rtol=0, atol=2e-4)


@seeded
def classes():
    """A transformer with classes and a learned variance, in latents."""
    network = diffusers.DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        sample_size=8,
        num_embeds_ada_norm=1000,
        norm_num_groups=4,
    )
    return quiet(diffusers.DiTPipeline(network.eval(), autoencoder(), diffusers.DDIMScheduler(clip_sample=False)))


def test_networks_with_classes_and_a_learned_variance(classes):
    classes.scheduler = Scheduler.from_config(classes.scheduler.config, sampler="unipc3")
    images = classes([1, 3], guidance_scale=2.0, num_inference_steps=4, output_type="np").images
    assert images.shape == (2, 8, 8, 3)
    net = diffusion.Denoiser.from_diffusers(
        classes.transformer,
        classes.scheduler,
        condition={"class_labels": torch.tensor([1, 3])},
        unconditional={"class_labels": torch.tensor([1000])},
        guidance_scale=2.0,
    )
    with torch.no_grad():
        assert diffusion.sample(net, noise(2, 4, 8, 8), sampler="unipc3", steps=4).shape == (2, 4, 8, 8)


@seeded
def larger():
    """As Stable Diffusion XL."""
    network = unet(
        cross_attention_dim=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 8,
        transformer_layers_per_block=1,
        use_linear_projection=True,
    )
    return quiet(
        diffusers.StableDiffusionXLPipeline(
            vae=autoencoder(),
            text_encoder=None,
            text_encoder_2=None,
            tokenizer=None,
            tokenizer_2=None,
            unet=network,
            scheduler=diffusers.EulerDiscreteScheduler(**LATENT, timestep_spacing="leading", steps_offset=1),
        )
    )


def test_larger_images_with_more_conditions(larger):
    larger.scheduler = Scheduler.from_config(larger.scheduler.config, sampler="dpmpp-2m")
    found = larger(
        prompt_embeds=noise(1, 4, 16),
        negative_prompt_embeds=noise(1, 4, 16),
        pooled_prompt_embeds=noise(1, 8),
        negative_pooled_prompt_embeds=noise(1, 8),
        num_inference_steps=4,
        height=8,
        width=8,
        latents=noise(1, 4, 8, 8),
        output_type="latent",
    ).images
    assert torch.isfinite(found).all()
    assert larger.scheduler.timesteps.tolist() == [751, 501, 251, 1]  # what the configuration asks for
    timesteps = [999, 600, 200]
    larger(
        prompt_embeds=noise(1, 4, 16),
        pooled_prompt_embeds=noise(1, 8),
        timesteps=timesteps,
        guidance_scale=1.0,
        height=8,
        width=8,
        output_type="latent",
    )
    assert larger.scheduler.timesteps.tolist() == timesteps


@seeded
def rectified():
    """As Stable Diffusion 3."""
    network = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        out_channels=4,
    )
    return quiet(
        diffusers.StableDiffusion3Pipeline(
            transformer=network.eval(),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=autoencoder(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0),
            **dict.fromkeys(
                ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3")
            ),
        )
    )


def test_flow_matching_with_a_shift(rectified):
    embeddings = {"prompt_embeds": noise(1, 4, 16), "pooled_prompt_embeds": noise(1, 16)}
    without = {"negative_prompt_embeds": noise(1, 4, 16), "negative_pooled_prompt_embeds": noise(1, 16)}
    images, theirs = {}, rectified.scheduler
    for name in (None, "euler", "unipc3", "deis-tab3"):
        rectified.scheduler = Scheduler.from_config(theirs.config, sampler=name) if name else theirs
        images[name] = rectified(
            **embeddings,
            **without,
            num_inference_steps=6,
            height=8,
            width=8,
            latents=noise(1, 4, 8, 8),
            output_type="latent",
        ).images
    torch.testing.assert_close(images["euler"], images[None], rtol=0, atol=1e-5)
    assert torch.isfinite(images["unipc3"]).all()
    assert torch.isfinite(images["deis-tab3"]).all()


@seeded
def flux():
    network = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(2, 2, 4),
        guidance_embeds=True,
    )
    return quiet(
        diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
            vae=autoencoder(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0),
            text_encoder=None,
            tokenizer=None,
            text_encoder_2=None,
            tokenizer_2=None,
            transformer=network.eval(),
        )
    )


def test_flow_matching_with_a_shift_by_the_resolution(flux):
    embeddings = {"prompt_embeds": noise(1, 4, 16), "pooled_prompt_embeds": noise(1, 16)}
    images, theirs = {}, flux.scheduler
    for name in (None, "euler", "dpmpp-2m", "deis-tab3", "auto"):
        flux.scheduler = Scheduler.from_config(theirs.config, sampler=name) if name else theirs
        run = {"num_inference_steps": 6, "height": 8, "width": 8, "output_type": "latent"}
        images[name] = flux(**embeddings, **run, generator=torch.Generator().manual_seed(0)).images
    torch.testing.assert_close(images["euler"], images[None], rtol=0, atol=1e-5)
    for name in ("dpmpp-2m", "deis-tab3", "auto"):
        assert torch.isfinite(images[name]).all()
    flux.scheduler = Scheduler.from_config(theirs.config, sampler="auto", grid="sampler")
    flux(**embeddings, **run)
    assert flux.scheduler.timesteps[0] == pytest.approx(999.9, abs=0.1)  # its own grid in place of the even one
    flux(**embeddings, **{**run, "num_inference_steps": 3}, sigmas=[1.0, 0.5, 0.2])
    assert flux.scheduler.sigmas[0] == 1.0  # levels that someone chose are followed


@seeded
def video():
    """As Wan: latents of shape (batch, channels, frames, height, width)."""
    network = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=16,
        freq_dim=16,
        ffn_dim=16,
        num_layers=1,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    scheduler = diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    autoencoder = diffusers.AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    return quiet(
        diffusers.WanPipeline(
            transformer=network.eval(), vae=autoencoder.eval(), scheduler=scheduler, text_encoder=None, tokenizer=None
        )
    )


def test_videos(video):
    video.scheduler = Scheduler.from_config(video.scheduler.config, sampler="unipc3")
    found = video(
        prompt_embeds=noise(1, 4, 16),
        negative_prompt_embeds=noise(1, 4, 16),
        num_inference_steps=4,
        height=16,
        width=16,
        num_frames=5,
        output_type="latent",
    ).frames
    assert found.shape == (1, 16, 2, 2, 2)
    assert torch.isfinite(found).all()
    levels = 3 * np.linspace(1, 1e-3, 5)[:-1]
    np.testing.assert_allclose(video.scheduler.sigmas[:-1], levels / (1 + levels / 1.5), rtol=1e-6)


def test_a_pipeline_is_saved_and_loaded_with_our_scheduler(text_to_image, tmp_path):
    text_to_image.scheduler = Scheduler.from_config(text_to_image.scheduler.config, sampler="unipc3")
    text_to_image.scheduler.save_pretrained(tmp_path / "scheduler")
    again = Scheduler.from_pretrained(tmp_path, subfolder="scheduler")
    assert again.config.sampler == "unipc3"
    assert dict(again.config)["beta_schedule"] == "scaled_linear"
