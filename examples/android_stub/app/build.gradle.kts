plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.example.recpress.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "org.example.recpress.demo"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64") // phones, and the emulator
        }
    }

    compileOptions {
        val version = JavaVersion.toVersion(libs.versions.java.get())
        sourceCompatibility = version
        targetCompatibility = version
    }

    androidResources {
        noCompress += listOf("onnx", "bin", "npz") // int8 tables hardly shrink, and are copied faster
    }
}

// -Pnative=FOLDER, of recpress.h and recpress.c as a bundle of --format c has them: the C engine for NativeScorer.
(project.findProperty("native") as String?)?.let { folder ->
    android.defaultConfig.externalNativeBuild.cmake.arguments += "-DRECPRESS=${rootProject.file(folder)}"
    android.externalNativeBuild.cmake.path = file("../jni/CMakeLists.txt")
}

dependencies {
    implementation(project(":core"))
    // -Ponnxruntime=no: an app for bundles of --format c alone, without the runtime's library
    if (project.findProperty("onnxruntime") != "no") {
        implementation(libs.onnxruntime.android)
    }
}
